/* Records, and makes fail, what a process does to the files below one folder. Preloaded under everything that writes.

   Environment: FAULT_ROOT (absolute folder), FAULT_LOG (file outside of it; none: nothing is recorded).
   Each record of the log: u8 kind, u64 inode, i64 offset, u32 length of path, u32 length of data, path, data.
   The operation and its record are one step: a lock is held over both, so the log is the order of the disk.
   For the process itself: fault_note, fault_arm, fault_clear, fault_seen. */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS
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
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, FSYNC = 2, TRUNCATE = 4, CREATE = 8, RENAME = 16, MKDIR = 32, UNLINK = 64, READ = 128, NOTE = 255 };
#define MANY 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static char *path_of[MANY]; /* by descriptor: of what lies below the root */

static int armed, armed_error; /* kinds of operation that fail, and with what */
static long armed_skip, armed_times, seen;
static char armed_path[256]; /* only operations on paths that hold this */

#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__); \
    static void load_##name(void) { if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name); }

REAL(int, open64, const char *, int, ...)
REAL(int, openat64, int, const char *, int, ...)
REAL(int, close, int)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
REAL(ssize_t, read, int, void *, size_t)
REAL(ssize_t, pread64, int, void *, size_t, off64_t)
REAL(ssize_t, sendfile64, int, int, off64_t *, size_t)
REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, ftruncate64, int, off64_t)
REAL(int, posix_fallocate64, int, off64_t, off64_t)
REAL(int, renameat2, int, const char *, int, const char *, unsigned)
REAL(int, mkdirat, int, const char *, mode_t)
REAL(int, unlinkat, int, const char *, int)

__attribute__((constructor)) static void begin(void) {
    load_open64(); load_openat64(); load_close(); load_write(); load_writev(); load_pwrite64(); load_read();
    load_pread64(); load_sendfile64(); load_copy_file_range(); load_fsync(); load_fdatasync(); load_ftruncate64();
    load_posix_fallocate64(); load_renameat2(); load_mkdirat(); load_unlinkat();
    const char *wanted = getenv("FAULT_ROOT"), *target = getenv("FAULT_LOG");
    if (!wanted) return;
    root_length = strlen(strncpy(root, wanted, sizeof root - 1));
    if (target) log_fd = real_open64(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The absolute path of a name as a call gives it; 1 if it is below the root. */
static int locate(int folder, const char *name, char *out) {
    char base[PATH_MAX] = "";
    if (!root_length || !name) return 0;
    if (name[0] == '/') { snprintf(out, PATH_MAX, "%s", name); return below(out); }
    if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, base, sizeof base - 1);
        if (n < 0) return 0;
        base[n] = 0;
    }
    if (snprintf(out, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    return below(out);
}

static const char *tracked(int fd) { return fd >= 0 && fd < MANY ? path_of[fd] : NULL; }

static void record(uint8_t kind, uint64_t inode, int64_t at, const char *path, const void *data, size_t length) {
    uint32_t path_length = path ? strlen(path) : 0, data_length = length;
    if (log_fd < 0) return;
    char head[25];
    memcpy(head, &kind, 1); memcpy(head + 1, &inode, 8); memcpy(head + 9, &at, 8);
    memcpy(head + 17, &path_length, 4); memcpy(head + 21, &data_length, 4);
    struct iovec parts[3] = {{head, 25}, {(void *)path, path_length}, {(void *)data, length}};
    if (real_writev(log_fd, parts, 3) != (ssize_t)(25 + path_length + length)) abort();
}

static uint64_t inode_of(int fd) { struct stat64 told; return fstat64(fd, &told) ? 0 : told.st_ino; }
static uint64_t inode_at(const char *path) { struct stat64 told; return lstat64(path, &told) ? 0 : told.st_ino; }

/* Under the lock: whether this operation is to fail; errno is set then. */
static int fails(int kind, const char *path) {
    if (!(armed & kind) || (armed_path[0] && !strstr(path + root_length, armed_path))) return 0;
    seen++;
    if (armed_skip > 0) { armed_skip--; return 0; }
    if (!armed_times) return 0;
    if (armed_times > 0) armed_times--;
    errno = armed_error;
    return 1;
}

#define LOCKED(kind, path, failed) \
    pthread_mutex_lock(&lock); \
    if (fails(kind, path)) { int kept = errno; pthread_mutex_unlock(&lock); errno = kept; return failed; }
#define DONE(result) do { int kept = errno; pthread_mutex_unlock(&lock); errno = kept; return result; } while (0)

/* for the process under test */

void fault_note(const char *text) {
    pthread_mutex_lock(&lock);
    record(NOTE, 0, 0, NULL, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

void fault_arm(int kinds, long skip, long times, int error, const char *path) {
    pthread_mutex_lock(&lock);
    seen = 0; armed_skip = skip; armed_times = times; armed_error = error; armed = kinds;
    snprintf(armed_path, sizeof armed_path, "%s", path);
    pthread_mutex_unlock(&lock);
}

void fault_clear(void) { pthread_mutex_lock(&lock); armed = 0; pthread_mutex_unlock(&lock); }
long fault_seen(void) { return seen; }

/* files */

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!locate(folder, name, path)) {
        int fd = real_openat64(folder, name, flags, mode);
        if (fd >= 0 && fd < MANY && path_of[fd]) { /* closed behind our back, by libc itself */
            pthread_mutex_lock(&lock); free(path_of[fd]); path_of[fd] = NULL; pthread_mutex_unlock(&lock);
        }
        return fd;
    }
    pthread_mutex_lock(&lock);
    uint64_t before = inode_at(path);
    int creates = (flags & O_CREAT) && !before;
    if (creates && fails(CREATE, path)) DONE(-1);
    int fd = real_openat64(folder, name, flags, mode);
    if (fd >= 0 && fd < MANY) {
        free(path_of[fd]);
        path_of[fd] = strdup(path);
        if (creates) record(CREATE, inode_of(fd), 0, path, NULL, 0);
        else if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) record(TRUNCATE, inode_of(fd), 0, path, NULL, 0);
    }
    DONE(fd);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags | O_LARGEFILE, mode); }
int __open_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags | O_LARGEFILE, 0); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

int close(int fd) {
    if (!tracked(fd)) return real_close(fd);
    pthread_mutex_lock(&lock);
    free(path_of[fd]);
    path_of[fd] = NULL;
    int result = real_close(fd);
    DONE(result);
}

static int64_t place_of(int fd) { /* where the next write goes */
    if (fcntl(fd, F_GETFL) & O_APPEND) { struct stat64 told; return fstat64(fd, &told) ? 0 : told.st_size; }
    return lseek64(fd, 0, SEEK_CUR);
}

static ssize_t wrote(int fd, const struct iovec *parts, int count, int64_t at, const char *path, int moves) {
    ssize_t n = moves ? real_writev(fd, parts, count) : real_pwrite64(fd, parts->iov_base, parts->iov_len, at);
    ssize_t left = n;
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = (size_t)left < parts[i].iov_len ? (size_t)left : parts[i].iov_len;
        record(WRITE, inode_of(fd), at, path, parts[i].iov_base, part);
        at += part; left -= part;
    }
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    const char *path = tracked(fd);
    if (!path) return real_writev(fd, parts, count);
    LOCKED(WRITE, path, -1)
    ssize_t n = wrote(fd, parts, count, place_of(fd), path, 1);
    DONE(n);
}

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec part = {(void *)data, length};
    return tracked(fd) ? writev(fd, &part, 1) : real_write(fd, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
    const char *path = tracked(fd);
    if (!path) return real_pwrite64(fd, data, length, at);
    struct iovec part = {(void *)data, length};
    LOCKED(WRITE, path, -1)
    ssize_t n = wrote(fd, &part, 1, at, path, 0);
    DONE(n);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return pwrite64(fd, data, length, at); }

static void record_copied(int fd, int64_t at, ssize_t n, const char *path) { /* what the kernel moved, read back */
    char link[64], *data = n > 0 ? malloc(n) : NULL;
    if (!data) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = real_open64(link, O_RDONLY | O_CLOEXEC);
    if (again < 0 || real_pread64(again, data, n, at) != n) abort();
    real_close(again);
    record(WRITE, inode_of(fd), at, path, data, n);
    free(data);
}

ssize_t sendfile64(int out, int in, off64_t *from, size_t length) {
    const char *path = tracked(out);
    if (!path) return real_sendfile64(out, in, from, length);
    LOCKED(WRITE, path, -1)
    int64_t at = place_of(out);
    ssize_t n = real_sendfile64(out, in, from, length);
    record_copied(out, at, n, path);
    DONE(n);
}
ssize_t sendfile(int out, int in, off_t *from, size_t length) { return sendfile64(out, in, from, length); }

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    const char *path = tracked(out);
    if (!path) return real_copy_file_range(in, from, out, to, length, flags);
    LOCKED(WRITE, path, -1)
    int64_t at = to ? *to : place_of(out);
    ssize_t n = real_copy_file_range(in, from, out, to, length, flags);
    record_copied(out, at, n, path);
    DONE(n);
}

ssize_t read(int fd, void *data, size_t length) {
    const char *path = armed & READ ? tracked(fd) : NULL;
    if (!path) return real_read(fd, data, length);
    LOCKED(READ, path, -1)
    pthread_mutex_unlock(&lock);
    return real_read(fd, data, length);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t at) {
    const char *path = armed & READ ? tracked(fd) : NULL;
    if (!path) return real_pread64(fd, data, length, at);
    LOCKED(READ, path, -1)
    pthread_mutex_unlock(&lock);
    return real_pread64(fd, data, length, at);
}
ssize_t pread(int fd, void *data, size_t length, off_t at) { return pread64(fd, data, length, at); }

#define SYNC(name) \
    int name(int fd) { \
        const char *path = tracked(fd); \
        if (!path) return real_##name(fd); \
        LOCKED(FSYNC, path, -1) \
        int result = real_##name(fd); \
        if (!result) record(FSYNC, inode_of(fd), 0, path, NULL, 0); \
        DONE(result); \
    }
SYNC(fsync)
SYNC(fdatasync)

int ftruncate64(int fd, off64_t length) {
    const char *path = tracked(fd);
    if (!path) return real_ftruncate64(fd, length);
    LOCKED(TRUNCATE, path, -1)
    int result = real_ftruncate64(fd, length);
    if (!result) record(TRUNCATE, inode_of(fd), length, path, NULL, 0);
    DONE(result);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int posix_fallocate64(int fd, off64_t at, off64_t length) {
    const char *path = tracked(fd);
    if (!path) return real_posix_fallocate64(fd, at, length);
    LOCKED(TRUNCATE, path, armed_error)
    struct stat64 before;
    int result = fstat64(fd, &before) ? errno : real_posix_fallocate64(fd, at, length);
    if (!result && before.st_size < at + length) record(TRUNCATE, inode_of(fd), at + length, path, NULL, 0);
    DONE(result);
}
int posix_fallocate(int fd, off_t at, off_t length) { return posix_fallocate64(fd, at, length); }

/* names */

int renameat2(int from, const char *old, int to, const char *fresh, unsigned flags) {
    char source[PATH_MAX], target[PATH_MAX];
    if (!locate(from, old, source) || !locate(to, fresh, target)) return real_renameat2(from, old, to, fresh, flags);
    LOCKED(RENAME, target, -1)
    uint64_t inode = inode_at(source);
    int result = real_renameat2(from, old, to, fresh, flags);
    if (!result) record(RENAME, inode, 0, source, target, strlen(target));
    DONE(result);
}
int rename(const char *old, const char *fresh) { return renameat2(AT_FDCWD, old, AT_FDCWD, fresh, 0); }
int renameat(int from, const char *old, int to, const char *fresh) { return renameat2(from, old, to, fresh, 0); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!locate(folder, name, path)) return real_mkdirat(folder, name, mode);
    LOCKED(MKDIR, path, -1)
    int result = real_mkdirat(folder, name, mode);
    if (!result) record(MKDIR, inode_at(path), 0, path, NULL, 0);
    DONE(result);
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!locate(folder, name, path)) return real_unlinkat(folder, name, flags);
    LOCKED(UNLINK, path, -1)
    uint64_t inode = inode_at(path);
    int result = real_unlinkat(folder, name, flags);
    if (!result) record(UNLINK, inode, 0, path, NULL, 0);
    DONE(result);
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
    int result = unlink(name);
    return result && (errno == EISDIR || errno == EPERM) ? rmdir(name) : result;
}
