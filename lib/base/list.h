#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Intrusive doubly linked ring: a struct list is either the head or a member
 * inside the listed struct. A member that is in no list points to itself.
 */
struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_add_head(struct list *head, struct list *item)
{
    list_add_tail(head->next, item);
}

/* Safe on a member that is in no list. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define LIST_ITEM(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

#endif
