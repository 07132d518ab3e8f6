/* Faults below a program, switched while it runs: a wall clock that is wrong by some time, a disk
 * that is slow to sync, a disk that refuses writes. Loaded with LD_PRELOAD; what to do stands in a
 * file that several processes map: four numbers of 64 bits, then the folder that is meant.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct told {
    volatile long long wall_us; /* added to the wall clock */
    volatile long long sync_us; /* each sync of the folder takes so long at least */
    volatile long long refuse;  /* errno of every write into the folder, 0: none */
    volatile long long syncs;   /* syncs that were made slower or refused, counted */
    char folder[4064];
};
static struct told nothing, *told = &nothing;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("PINTU_FAULT_FILE");
    real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (!name) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED) told = at;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int done = real_clock ? real_clock(id, at) : (int)syscall(SYS_clock_gettime, id, at);
    long long us = told->wall_us;
    if (done == 0 && us && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        long long ns = at->tv_nsec + (us % 1000000) * 1000;
        at->tv_sec += us / 1000000 + (ns >= 1000000000) - (ns < 0);
        at->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return done;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

static int in_folder(const char *path) {
    size_t length = strlen(told->folder);
    return length && strncmp(path, told->folder, length) == 0;
}
static int meant(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return in_folder(path);
}
static int refused(int fd) {
    if (!told->refuse || !meant(fd)) return 0;
    errno = (int)told->refuse;
    return 1;
}
static int refused_path(const char *path) {
    char full[8192], here[4096];
    if (!told->refuse) return 0;
    if (path[0] != '/') {
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(full, sizeof full, "%s/%s", here, path);
        path = full;
    }
    if (!in_folder(path)) return 0;
    errno = (int)told->refuse;
    return 1;
}
static int synced(int fd, long number) {
    if ((told->sync_us || told->refuse) && meant(fd)) {
        __atomic_add_fetch(&told->syncs, 1, __ATOMIC_RELAXED);
        if (told->sync_us) usleep((useconds_t)told->sync_us);
        if (told->refuse) {
            errno = (int)told->refuse;
            return -1;
        }
    }
    return (int)syscall(number, fd);
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
ssize_t write(int fd, const void *data, size_t size) {
    return refused(fd) ? -1 : syscall(SYS_write, fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return refused(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return refused(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}
int ftruncate(int fd, off_t size) { return refused(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) {
    return refused(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}
/* What is there already may still be opened to be read and written, as on a disk that went bad
 * under a program; what would be made is refused. */
static int opened(int where, const char *path, int flags, mode_t mode) {
    if ((flags & (O_CREAT | O_TRUNC)) && refused_path(path)) {
        struct stat found;
        int saved = errno;
        if ((flags & O_TRUNC) || stat(path, &found) != 0) {
            errno = saved;
            return -1;
        }
    }
    return (int)syscall(SYS_openat, where, path, flags, mode);
}
#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, last); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }
int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(AT_FDCWD, path, flags, mode);
}
int mkdir(const char *path, mode_t mode) {
    return refused_path(path) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
int unlink(const char *path) {
    return refused_path(path) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int rename(const char *from, const char *to) {
    return refused_path(to) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
