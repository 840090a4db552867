#include "ask.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 256, PASSWORD_BYTES_MAX = 1024, PASSWORD_CHARS_MIN = 15 };

static bool is_person_there(const struct ctl *c)
{
    return !c->is_silent && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

enum outcome ask_possible(const struct ctl *c)
{
    if (c->is_yes || is_person_there(c))
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_USAGE, "%s%s%s cannot be undone and nobody can be asked: add --yes",
                    c->command->noun, c->command->noun[0] != '\0' ? " " : "", c->command->verb);
}

static bool read_answer(char out[ANSWER_BYTES_MAX])
{
    if (fgets(out, ANSWER_BYTES_MAX, stdin) == NULL)
        return false;
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

enum outcome ask_confirm(const struct ctl *c, const char *question, ...)
{
    char answer[ANSWER_BYTES_MAX], *text;
    enum outcome o = ask_possible(c);
    va_list args;

    if (o != OUTCOME_OK || c->is_yes)
        return o;
    va_start(args, question);
    CHECK(vasprintf(&text, question, args) >= 0);
    va_end(args);
    output_hide_controls(text, strlen(text));
    fprintf(stderr, "%s [y/N] ", text);
    free(text);
    if (read_answer(answer) && (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0))
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_FAILED, "nothing was changed");
}

enum outcome ask_name(const struct ctl *c, const char *question, const char *name)
{
    char answer[ANSWER_BYTES_MAX];
    enum outcome o = ask_possible(c);

    if (o != OUTCOME_OK || c->is_yes)
        return o;
    fprintf(stderr, "%s Type %s to go on: ", question, name);
    if (read_answer(answer) && strcmp(answer, name) == 0)
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_FAILED, "nothing was changed");
}

/* Byte by byte: what follows the line stays for whoever reads next. */
static enum err read_line(int fd, size_t max, struct secret **out)
{
    struct secret *line = secret_new(max + 1);
    size_t n = 0;
    enum err e = ERR_OK;

    for (;;) {
        ssize_t got = read(fd, line->p + n, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            e = ERR_SYSTEM;
        if (got <= 0 || line->p[n] == '\n')
            break;
        if (++n > max) {
            e = ERR_TOO_LARGE;
            break;
        }
    }
    if (n > 0 && line->p[n - 1] == '\r')
        n--;
    if (e == ERR_OK)
        *out = secret_copy(slice_of(line->p, n));
    secret_free(line);
    return e;
}

enum outcome ask_line(const struct ctl *c, const char *what, size_t max, struct secret **out)
{
    enum err e = read_line(STDIN_FILENO, max, out);

    if (e == ERR_OK && (*out)->n == 0) {
        secret_free(*out);
        *out = NULL;
        return ctl_fail(c, OUTCOME_USAGE, "%s: standard input is empty", what);
    }
    if (e != ERR_OK)
        return ctl_fail(c, outcome_of(e), "%s: %s", what, err_text(e));
    return OUTCOME_OK;
}

/* Without echo. */
static enum err prompt(int tty, const char *question, struct secret **out)
{
    struct termios before, silent;
    enum err e;

    if (tcgetattr(tty, &before) != 0)
        return ERR_SYSTEM;
    silent = before;
    silent.c_lflag &= (tcflag_t)~ECHO;
    (void)tcsetattr(tty, TCSAFLUSH, &silent); /* first: it drops what was typed so far */
    fputs(question, stderr);
    e = read_line(tty, PASSWORD_BYTES_MAX, out);
    (void)tcsetattr(tty, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return e;
}

static enum outcome prompt_twice(const struct ctl *c, struct secret **out)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct secret *again = NULL;
    enum outcome o = OUTCOME_OK;

    if (tty < 0)
        return ctl_fail(
            c, OUTCOME_USAGE,
            "no terminal to ask for the password: use --password-stdin or --password-file");
    if (prompt(tty, "New password: ", out) != ERR_OK || prompt(tty, "Again: ", &again) != ERR_OK)
        o = ctl_fail(c, OUTCOME_FAILED, "the password could not be read");
    else if (!secret_equal(secret_slice(*out), secret_slice(again)))
        o = ctl_fail(c, OUTCOME_USAGE, "the two differ");
    secret_free(again);
    (void)close(tty);
    return o;
}

static enum outcome read_password_file(const struct ctl *c, const char *path, struct secret **out)
{
    enum err e = secret_read_file(path, PASSWORD_BYTES_MAX, out);

    return e == ERR_OK ? OUTCOME_OK
                       : ctl_fail(c, outcome_of(e), "--password-file %s: %s", path, err_text(e));
}

static enum outcome check_policy(const struct ctl *c, const struct secret *password)
{
    size_t chars = 0;

    for (size_t i = 0; i < password->n; i++) {
        chars += ((unsigned char)password->p[i] & 0xc0) != 0x80;
        if (password->p[i] == '\0')
            return ctl_fail(c, OUTCOME_USAGE, "the password contains a NUL");
    }
    return chars >= PASSWORD_CHARS_MIN
               ? OUTCOME_OK
               : ctl_fail(c, OUTCOME_USAGE, "a password has at least %d characters",
                          PASSWORD_CHARS_MIN);
}

enum outcome ask_password(const struct ctl *c, bool is_optional, struct secret **out)
{
    const char *path = ctl_value(c, FLAG_PASSWORD_FILE);
    struct secret *password = NULL;
    enum outcome o;

    *out = NULL;
    if (path != NULL)
        o = read_password_file(c, path, &password);
    else if (ctl_has(c, FLAG_PASSWORD_STDIN))
        o = ask_line(c, "--password-stdin", PASSWORD_BYTES_MAX, &password);
    else if (is_optional)
        return OUTCOME_OK;
    else if (is_person_there(c))
        o = prompt_twice(c, &password);
    else
        return ctl_fail(c, OUTCOME_USAGE,
                        "nobody can be asked for the password: use --password-stdin or "
                        "--password-file");
    if (o == OUTCOME_OK)
        o = check_policy(c, password);
    if (o == OUTCOME_OK)
        *out = password;
    else
        secret_free(password);
    return o;
}
