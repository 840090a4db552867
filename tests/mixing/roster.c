/*
 * Users and their credentials, as run.py says. It announces a change before it makes it and says
 * when the change was acknowledged, so that a request's time tells what its answer must be.
 *
 *   user INDEX ID NAME                a user
 *   live INDEX KIND [TEXT]            the credential counts from now on (a new one with TEXT)
 *   changing INDEX KIND               it is about to change: both answers are right
 *   dead INDEX KIND                   its end was acknowledged
 */
#include "mixing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    unsigned count;
    char ids[USERS_MAX][64], names[USERS_MAX][64];
    struct credential held[USERS_MAX][KINDS];
} roster = {.lock = PTHREAD_MUTEX_INITIALIZER};

int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

unsigned roster_users(void)
{
    return roster.count;
}

/* Users are all told before the first thread begins; they do not change. */
const char *roster_user_id(unsigned user)
{
    return roster.ids[user];
}

const char *roster_user_name(unsigned user)
{
    return roster.names[user];
}

void roster_get(unsigned user, enum kind kind, struct credential *out)
{
    pthread_mutex_lock(&roster.lock);
    *out = roster.held[user][kind];
    pthread_mutex_unlock(&roster.lock);
}

static bool set_standing(unsigned user, unsigned kind, enum standing standing, const char *text)
{
    struct credential *c;

    if (user >= roster.count || kind >= KINDS || strlen(text) >= sizeof(c->text))
        return false;
    pthread_mutex_lock(&roster.lock);
    c = &roster.held[user][kind];
    c->standing = standing;
    c->changes++;
    c->since_us = now_us();
    if (*text != '\0')
        strcpy(c->text, text);
    pthread_mutex_unlock(&roster.lock);
    return true;
}

bool roster_obey(const char *line)
{
    char text[CREDENTIAL_MAX] = "";
    unsigned user, kind;

    if (sscanf(line, "user %u %63s %63s", &user, text, roster.names[roster.count]) == 3) {
        if (user != roster.count || user >= USERS_MAX - 1)
            return false;
        strcpy(roster.ids[roster.count++], text);
        return true;
    }
    if (sscanf(line, "live %u %u %1499s", &user, &kind, text) >= 2)
        return set_standing(user, kind, STANDING_LIVE, text);
    if (sscanf(line, "changing %u %u", &user, &kind) == 2)
        return set_standing(user, kind, STANDING_CHANGING, "");
    if (sscanf(line, "dead %u %u", &user, &kind) == 2)
        return set_standing(user, kind, STANDING_DEAD, "");
    return false;
}
