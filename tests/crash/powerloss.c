/* A recorder for power-loss tests, loaded into the server with LD_PRELOAD.
 *
 * The server's files behave as always. Beside them, everything that it does to one folder is appended to a journal: each
 * write with its bytes, each sync, each name made, moved or removed, in the order in which they happened. From the journal a
 * test rebuilds what a disk would hold had the power failed at any moment: what was synced for certain, and of the rest
 * whatever the test draws. Many crash points come from one run.
 *
 * A page of shared memory lets the test interfere while the server runs: a sync fails and its pages are forgotten (as Linux
 * does after a write error), the disk is full, no file can be opened, syncs are slow.
 *
 *   POWERLOSS_ROOT      the folder, as a canonical absolute path
 *   POWERLOSS_JOURNAL   the file that receives the journal
 *   POWERLOSS_CONTROL   a file of 4096 bytes, mapped: struct control below
 *
 * It knows nothing of the server or of the journal's reader. Not recorded: stores through mmap, io_uring, raw system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* Offsets are known to the test: four bytes each, in this order. */
struct control {
    volatile int32_t sync_fails_in;   /* the n-th sync from now fails once; 0: none does */
    volatile int32_t disk_full;       /* 1: no space is left, as statvfs tells; 2: writes and new files fail with ENOSPC too */
    volatile int32_t no_descriptors;  /* opening fails with EMFILE */
    volatile int32_t sync_micros;     /* how long a sync takes */
    volatile int32_t syncs;           /* counted here, for the test to read */
    volatile int32_t failures;        /* operations refused on purpose, for the test to read */
};

enum { DESCRIPTORS = 1 << 16 };
enum kind {
    OPENED = 'O', WRITTEN = 'W', TRUNCATED = 'T', SYNCED = 'S', FORGOTTEN = 'F', FOLDER_SYNCED = 'D',
    RENAMED = 'R', REMOVED = 'U', LINKED = 'L', FOLDER_MADE = 'M', FOLDER_REMOVED = 'X'
};
enum { CREATED = 1, EMPTIED = 2 };

static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static struct control none, *control = &none;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static uint64_t inode_of[DESCRIPTORS]; /* of descriptors that are known to lie in the folder; 0: not known */

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("POWERLOSS_ROOT"), *file = getenv("POWERLOSS_JOURNAL"), *page = getenv("POWERLOSS_CONTROL");
    if (!folder || !file) return;
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    if (page) {
        int fd = REAL(open)(page, O_RDWR | O_CLOEXEC);
        void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) { fprintf(stderr, "powerloss: no control page\n"); abort(); }
        control = at;
        REAL(close)(fd);
    }
    journal = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal < 0) { fprintf(stderr, "powerloss: no journal\n"); abort(); }
}

/* --- the journal: kind (1 byte), length of the rest (8), inode or 0 (8), number (8), bytes; little-endian. A record is
 *     appended while `order` is held, by the thread that did the operation. --- */
static void record(enum kind kind, uint64_t inode, uint64_t number, const struct iovec *parts, int count, size_t length) {
    unsigned char head[25];
    uint64_t rest = 16 + length;
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &rest, 8);
    memcpy(head + 9, &inode, 8);
    memcpy(head + 17, &number, 8);
    struct iovec all[64];
    all[0] = (struct iovec){head, sizeof head};
    int used = 1;
    for (int i = 0; i < count && used < 64 && length; i++) {
        size_t take = parts[i].iov_len < length ? parts[i].iov_len : length;
        all[used++] = (struct iovec){parts[i].iov_base, take};
        length -= take;
    }
    size_t left = 9 + rest;
    struct iovec *at = all;
    while (left) { /* a signal may cut an append short */
        ssize_t done = REAL(writev)(journal, at, used - (int)(at - all));
        if (done < 0) { if (errno == EINTR) continue; abort(); }
        left -= (size_t)done;
        for (; done && (size_t)done >= at->iov_len; at++) done -= (ssize_t)at->iov_len;
        if (done) { at->iov_base = (char *)at->iov_base + done; at->iov_len -= (size_t)done; }
    }
}

static void record_path(enum kind kind, uint64_t inode, uint64_t number, const char *path) {
    struct iovec part = {(void *)path, strlen(path)};
    record(kind, inode, number, &part, 1, part.iov_len);
}

static void record_paths(enum kind kind, const char *from, const char *to) {
    struct iovec parts[] = {{(void *)from, strlen(from) + 1}, {(void *)to, strlen(to)}};
    record(kind, 0, 0, parts, 2, parts[0].iov_len + parts[1].iov_len);
}

/* --- which path is meant, relative to the folder; 0 when it lies elsewhere --- */
static int inside(const char *absolute, char *relative) {
    if (strncmp(absolute, root, root_length) || (absolute[root_length] && absolute[root_length] != '/')) return 0;
    const char *from = absolute + root_length;
    char *to = relative;
    while (*from) { /* one slash between names, none at the ends, no "." */
        while (*from == '/') from++;
        if (from[0] == '.' && (!from[1] || from[1] == '/')) { from++; continue; }
        if (!*from) break;
        if (to != relative) *to++ = '/';
        while (*from && *from != '/') *to++ = *from++;
    }
    *to = 0;
    return 1;
}

static int path_at(int folder, const char *path, char *relative) {
    char absolute[2 * PATH_MAX], base[PATH_MAX];
    if (journal < 0) return 0;
    if (path[0] == '/') return inside(path, relative);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length <= 0) return 0;
        base[length] = 0;
    }
    snprintf(absolute, sizeof absolute, "%s/%s", base, path);
    return inside(absolute, relative);
}

static int path_of(int fd, char *relative) {
    char link[64], absolute[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, absolute, sizeof absolute - 1);
    if (length <= 0) return 0;
    absolute[length] = 0;
    return inside(absolute, relative);
}

/* The inode of a regular file in the folder, or 0. Descriptors that were duplicated are looked up once. */
static uint64_t tracked(int fd) {
    struct stat stat;
    char path[PATH_MAX];
    if (journal < 0 || fd < 0 || fd >= DESCRIPTORS || fd == journal || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return 0;
    if (inode_of[fd] == stat.st_ino) return stat.st_ino;
    inode_of[fd] = path_of(fd, path) ? stat.st_ino : 0;
    return inode_of[fd];
}

static int refuse(int error) {
    __atomic_add_fetch(&control->failures, 1, __ATOMIC_RELAXED);
    errno = error;
    return -1;
}

/* --- opening --- */
static int opened(int folder, const char *path, int flags, int (*open_it)(int, const char *, int, mode_t), mode_t mode) {
    char relative[PATH_MAX];
    if (!path_at(folder, path, relative)) return open_it(folder, path, flags, mode);
    if (control->no_descriptors) return refuse(EMFILE);
    pthread_mutex_lock(&order);
    struct stat stat;
    int existed = fstatat(folder, path, &stat, 0) == 0;
    if (!existed && (flags & O_CREAT) && control->disk_full > 1) { pthread_mutex_unlock(&order); return refuse(ENOSPC); }
    int fd = open_it(folder, path, flags, mode);
    int error = errno;
    if (fd >= 0 && fd < DESCRIPTORS && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        uint64_t what = (existed ? 0 : CREATED) | (existed && (flags & O_TRUNC) ? EMPTIED : 0);
        inode_of[fd] = stat.st_ino;
        record_path(OPENED, stat.st_ino, what, relative);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return fd;
}

static int open_by_at(int folder, const char *path, int flags, mode_t mode) { return REAL(openat)(folder, path, flags, mode); }
static mode_t mode_from(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }
#define OPEN_BODY(folder) \
    va_list rest; va_start(rest, flags); mode_t mode = mode_from(flags, rest); va_end(rest); \
    return opened(folder, path, flags, open_by_at, mode);
int open(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD) }
int open64(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD) }
int openat(int folder, const char *path, int flags, ...) { OPEN_BODY(folder) }
int openat64(int folder, const char *path, int flags, ...) { OPEN_BODY(folder) }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, open_by_at, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static FILE *fopened(const char *path, const char *how) { /* names only: what stdio writes is not recorded */
    char relative[PATH_MAX];
    if (!path_at(AT_FDCWD, path, relative)) return REAL(fopen)(path, how);
    struct stat stat;
    pthread_mutex_lock(&order);
    int existed = lstat(path, &stat) == 0;
    FILE *file = REAL(fopen)(path, how);
    if (file && fstat(fileno(file), &stat) == 0) record_path(OPENED, stat.st_ino, existed ? 0 : CREATED, relative);
    pthread_mutex_unlock(&order);
    return file;
}
FILE *fopen(const char *path, const char *how) { return fopened(path, how); }
FILE *fopen64(const char *path, const char *how) { return fopened(path, how); }

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) inode_of[fd] = 0;
    return REAL(close)(fd);
}

/* --- writing: the operation and its record are one step --- */
#define WRITE_BODY(real_call, parts, count, offset_after) \
    uint64_t inode = tracked(fd); \
    if (!inode) return real_call; \
    if (control->disk_full > 1) return refuse(ENOSPC); \
    pthread_mutex_lock(&order); \
    ssize_t done = real_call; \
    int error = errno; \
    if (done > 0) record(WRITTEN, inode, (uint64_t)(offset_after), parts, count, (size_t)done); \
    pthread_mutex_unlock(&order); \
    errno = error; \
    return done;
static off_t position_before(int fd, ssize_t done) { return lseek(fd, 0, SEEK_CUR) - done; }

ssize_t write(int fd, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    WRITE_BODY(REAL(write)(fd, bytes, length), &part, 1, position_before(fd, done))
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    struct iovec part = {(void *)bytes, length};
    WRITE_BODY(REAL(pwrite)(fd, bytes, length, offset), &part, 1, offset)
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITE_BODY(REAL(writev)(fd, parts, count), parts, count, position_before(fd, done))
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    WRITE_BODY(REAL(pwritev)(fd, parts, count, offset), parts, count, offset)
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }

/* Copies inside the kernel carry no bytes past us: refused, so that the caller reads and writes instead. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
    if (tracked(to)) { errno = ENOSYS; return -1; }
    return REAL(copy_file_range)(from, from_at, to, to_at, length, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t length) {
    if (tracked(to)) { errno = EINVAL; return -1; }
    ssize_t (*original)(int, int, off_t *, size_t) = real("sendfile");
    return original(to, from, at, length);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t length) { return sendfile(to, from, at, length); }

int ftruncate(int fd, off_t length) {
    uint64_t inode = tracked(fd);
    if (!inode) return REAL(ftruncate)(fd, length);
    pthread_mutex_lock(&order);
    int failed = REAL(ftruncate)(fd, length);
    if (!failed) record(TRUNCATED, inode, (uint64_t)length, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    return failed;
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
    uint64_t inode = tracked(fd);
    if (inode && control->disk_full > 1) return refuse(ENOSPC);
    int failed = REAL(fallocate)(fd, mode, offset, length);
    if (inode && !failed && mode == 0) { /* only then does the size change */
        struct stat stat;
        pthread_mutex_lock(&order);
        if (fstat(fd, &stat) == 0) record(TRUNCATED, inode, (uint64_t)stat.st_size, NULL, 0, 0);
        pthread_mutex_unlock(&order);
    }
    return failed;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }

/* --- space: a disk that fills up says so before a write fails --- */
#define FREE_SPACE(name, type) \
    int name(const char *path, struct type *disk) { \
        int failed = REAL(name)(path, disk); \
        if (!failed && control && control->disk_full) disk->f_bavail = disk->f_bfree = 0; \
        return failed; \
    }
FREE_SPACE(statvfs, statvfs)
FREE_SPACE(statvfs64, statvfs64)

/* --- syncing: what was written before the call began is safe when the record stands --- */
static int sync_fails(void) {
    if (control->sync_fails_in <= 0) return 0;
    return __atomic_sub_fetch(&control->sync_fails_in, 1, __ATOMIC_RELAXED) == 0;
}

static int synced(int fd, int (*original)(int)) {
    struct stat stat;
    char relative[PATH_MAX];
    if (journal < 0 || fstat(fd, &stat)) return original(fd);
    if (S_ISDIR(stat.st_mode)) {
        if (!path_of(fd, relative)) return original(fd);
        pthread_mutex_lock(&order);
        record_path(FOLDER_SYNCED, stat.st_ino, 0, relative);
        pthread_mutex_unlock(&order);
        return 0;
    }
    uint64_t inode = tracked(fd);
    if (!inode) return original(fd);
    __atomic_add_fetch(&control->syncs, 1, __ATOMIC_RELAXED);
    int fails = sync_fails();
    if (control->sync_micros > 0) usleep((useconds_t)control->sync_micros);
    pthread_mutex_lock(&order);
    record(fails ? FORGOTTEN : SYNCED, inode, 0, NULL, 0, 0);
    pthread_mutex_unlock(&order);
    return fails ? refuse(EIO) : 0;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

/* --- names --- */
#define NAME_BODY(real_call, condition, what) \
    if (!(condition)) return real_call; \
    pthread_mutex_lock(&order); \
    int failed = real_call; \
    int error = errno; \
    if (!failed) what; \
    pthread_mutex_unlock(&order); \
    errno = error; \
    return failed;

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char a[PATH_MAX], b[PATH_MAX];
    NAME_BODY(REAL(renameat2)(from_folder, from, to_folder, to, flags),
              path_at(from_folder, from, a) && path_at(to_folder, to, b), record_paths(RENAMED, a, b))
}
int renameat(int from_folder, const char *from, int to_folder, const char *to) { return renameat2(from_folder, from, to_folder, to, 0); }
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int folder, const char *path, int flags) {
    char relative[PATH_MAX];
    NAME_BODY(REAL(unlinkat)(folder, path, flags), path_at(folder, path, relative),
              record_path(flags & AT_REMOVEDIR ? FOLDER_REMOVED : REMOVED, 0, 0, relative))
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) { return unlink(path) == 0 ? 0 : errno == EISDIR ? rmdir(path) : -1; }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char a[PATH_MAX], b[PATH_MAX];
    NAME_BODY(REAL(linkat)(from_folder, from, to_folder, to, flags),
              path_at(from_folder, from, a) && path_at(to_folder, to, b), record_paths(LINKED, a, b))
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char relative[PATH_MAX];
    NAME_BODY(REAL(mkdirat)(folder, path, mode), path_at(folder, path, relative), record_path(FOLDER_MADE, 0, 0, relative))
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
