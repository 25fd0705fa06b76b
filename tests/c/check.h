/* What every test program counts and prints. C99 and C++11. */

#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static unsigned long checks_passed;
static unsigned long checks_failed;

static inline void check_note(int ok, const char *file, int line, const char *what)
{
    if (ok) {
        checks_passed++;
    } else {
        checks_failed++;
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
}

#define CHECK(condition) check_note((condition) ? 1 : 0, __FILE__, __LINE__, #condition)

/* Shows both sides: most checks of the tests compare numbers. */
#define CHECK_EQ(got, want)                                                                              \
    do {                                                                                                 \
        long long check_got = (long long)(got);                                                          \
        long long check_want = (long long)(want);                                                        \
        check_note(check_got == check_want, __FILE__, __LINE__, #got " == " #want);                      \
        if (check_got != check_want) fprintf(stderr, "    %lld, not %lld\n", check_got, check_want);     \
    } while (0)

/* The last line of a program, and its exit code. */
static inline int check_report(void)
{
    if (checks_failed > 0) {
        printf("%lu checks passed, %lu failed\n", checks_passed, checks_failed);
        return 1;
    }
    printf("%lu checks passed\n", checks_passed);
    return 0;
}

/* Out-parameters are filled with this before a call that must not write them. */
#define DIRT 0xA5

static inline int is_dirty(const void *memory, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)memory;
    size_t at;
    for (at = 0; at < size; at++) {
        if (bytes[at] != DIRT) return 0;
    }
    return 1;
}

#endif
