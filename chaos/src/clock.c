/*
 * The wall clock of one process, moved by a test. Preloaded into a redis-server of the test's own.
 *
 * gettimeofday, clock_gettime and time answer the true time plus an offset; the monotonic clocks stay true,
 * as they do on a machine whose wall clock is set. The offset, in microseconds, is the first number of the
 * file that CLOCK_OFFSET_FILE names; where the second is not 0, the clock stands still at that instant. It is mapped, so that a change takes effect at the next reading, for
 * all threads at once, without a call.
 *
 * The kernel is asked by syscall and not by the next symbol: looking that up allocates, and the allocator
 * of redis-server reads the clock, which is how other libraries of this kind end in recursion.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *numbers;

__attribute__((constructor)) static void map_the_offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *numbers, PROT_READ, MAP_SHARED, file, 0);
    /* A clock that silently stays true would let every test of a step pass. */
    if (page == MAP_FAILED) _exit(97);
    numbers = page;
    close(file);
}

/* Before the constructor has run, the allocator may ask already: then the time is the true one. */
static void move(struct timespec *now) {
    int64_t by = numbers ? __atomic_load_n(numbers, __ATOMIC_RELAXED) : 0;
    int64_t still = numbers ? __atomic_load_n(numbers + 1, __ATOMIC_RELAXED) : 0;
    int64_t us = still ? still : (int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000 + by;
    now->tv_nsec = us % 1000000 * 1000 + now->tv_nsec % 1000;
    now->tv_sec = us / 1000000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int outcome = (int)syscall(SYS_clock_gettime, clock, now);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(now);
    return outcome;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise = {0, 0};
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
