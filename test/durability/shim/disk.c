// What lies between a server and its disk, preloaded into its process. It sees every change of the files in one folder and, as it is told by
// the environment, writes each down (the power-loss suite rebuilds from that what a disk may hold), kills the process at an exact point of
// a commit, or lets a sync fail.
//
//   DISK_FOLDER   the folder to watch, absolute
//   DISK_JOURNAL  a file outside of it that every change is added to, once it is done; see `struct record`
//   DISK_KILL     <point>:<n>, the n-th commit of this process being meant: before-write, before-sync, after-sync,
//                 after-publish (the first write to a socket after the sync)
//   DISK_FAIL     wal:<n> or db:<n>: the n-th sync of that file fails with EIO. For the WAL, syncs of commits are counted

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) \
  ({ static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

enum op { START = 1, OPEN, WRITE, TRUNCATE, SYNC, SYNC_FAILED, UNLINK, RENAME, MKDIR };

/** One change, followed by `length` bytes: what was written, or a path within the folder (of RENAME two, each ended by a zero). */
struct record {
  uint32_t op;
  uint32_t file;    // of OPEN: the number that the file is called by until this process ends; 0: the change is of a path
  uint64_t offset;  // of TRUNCATE: the new size; of SYNC_FAILED: the time, in ms since 1970
  uint64_t length;
};

enum kind { OTHER, DATABASE, WAL };
enum { MOST_FDS = 4096, WAL_HEADER_BYTES = 32 };

static struct { uint32_t number; enum kind kind; } files[MOST_FDS];
static uint32_t opened;
static const char *folder;
static size_t folder_length;
static int journal = -1;
static const char *kill_point = "", *fail_file = "";
static long kill_at, fail_at;

// Where the WAL is: a commit begins with the first write after a sync and ends with the next sync.
static long commits, database_syncs;
static int writing;

/** Splits `<word>:<n>` of a variable. */
static const char *parse(const char *name, long *n) {
  char *text = getenv(name), *colon = text == NULL ? NULL : strchr(text, ':');
  if (colon == NULL) return "";
  *n = atol(colon + 1);
  return strndup(text, (size_t)(colon - text));
}

static void record(enum op op, uint32_t file, uint64_t offset, const void *data, size_t length) {
  if (journal < 0) return;
  struct record head = {op, file, offset, length};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)data, length}};
  // A hole in the journal would make every state that is rebuilt from it a lie.
  if (REAL(writev)(journal, parts, 2) != (ssize_t)(sizeof head + length)) abort();
}

__attribute__((constructor)) static void begin(void) {
  folder = getenv("DISK_FOLDER");
  if (folder == NULL) return;
  folder_length = strlen(folder);
  kill_point = parse("DISK_KILL", &kill_at);
  fail_file = parse("DISK_FAIL", &fail_at);
  const char *path = getenv("DISK_JOURNAL");
  if (path != NULL && (journal = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) abort();
  record(START, 0, 0, NULL, 0);
}

static int is(const char *name, const char *end) {
  size_t length = strlen(name), end_length = strlen(end);
  return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/**
 * A path within the watched folder, "" for the folder itself, or NULL. Left out are the shared index, which is memory, made anew after a crash, and
 * the file that only keeps room.
 */
static const char *within(const char *path) {
  if (folder == NULL || strncmp(path, folder, folder_length) != 0) return NULL;
  const char *rest = path + folder_length;
  if (*rest == '\0') return rest;
  size_t length = strlen(rest);
  if (is(rest, "/disk-reserve")) return NULL;
  if (*rest != '/' || (length > 4 && strcmp(rest + length - 4, "-shm") == 0)) return NULL;
  return rest + 1;
}

/** The number of an open file of the folder, or 0. Not every close comes by here, so a descriptor that is a socket by now is forgotten. */
static uint32_t number_of(int fd) {
  if (fd < 0 || fd >= MOST_FDS || files[fd].number == 0) return 0;
  struct stat stat;
  if (fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode)) files[fd].number = 0;
  return files[fd].number;
}

static void die_at(const char *point) {
  if (commits == kill_at && strcmp(point, kill_point) == 0) raise(SIGKILL);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int fd = REAL(open64)(path, flags, mode);
  const char *name = within(path);
  if (fd < 0 || name == NULL) return fd;
  if (fd >= MOST_FDS) abort();
  files[fd].number = ++opened;
  files[fd].kind = is(name, ".db-wal") ? WAL : is(name, ".db") ? DATABASE : OTHER;
  record(OPEN, opened, 0, name, strlen(name));
  if (flags & O_TRUNC) record(TRUNCATE, opened, 0, NULL, 0);
  return fd;
}

int close(int fd) {
  if (number_of(fd) != 0) files[fd].number = 0;
  return REAL(close)(fd);
}

static void before_write(int fd, uint64_t offset, size_t length) {
  if (number_of(fd) == 0 || files[fd].kind != WAL || writing) return;
  // A WAL that begins anew has its header written and synced apart.
  if (offset == 0 && length == WAL_HEADER_BYTES) return;
  writing = 1;
  commits += 1;
  die_at("before-write");
}

static void after_write(int fd, uint64_t offset, const void *data, ssize_t written) {
  if (written <= 0) return;
  if (number_of(fd) != 0) record(WRITE, files[fd].number, offset, data, (size_t)written);
  struct stat stat;
  if (!writing && commits > 0 && fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode)) die_at("after-publish");
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  before_write(fd, (uint64_t)offset, length);
  ssize_t written = REAL(pwrite64)(fd, data, length, offset);
  after_write(fd, (uint64_t)offset, data, written);
  return written;
}

ssize_t write(int fd, const void *data, size_t length) {
  uint64_t offset = number_of(fd) == 0 ? 0 : (uint64_t)lseek64(fd, 0, SEEK_CUR);
  before_write(fd, offset, length);
  ssize_t written = REAL(write)(fd, data, length);
  after_write(fd, offset, data, written);
  return written;
}

// The server's files are written by the two above; what comes here is for sockets.
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (number_of(fd) != 0) abort();
  ssize_t written = REAL(writev)(fd, parts, count);
  after_write(fd, 0, NULL, written);
  return written;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t written = REAL(sendmsg)(fd, message, flags);
  after_write(fd, 0, NULL, written);
  return written;
}

int ftruncate64(int fd, off64_t size) {
  int result = REAL(ftruncate64)(fd, size);
  if (result == 0 && number_of(fd) != 0) record(TRUNCATE, files[fd].number, (uint64_t)size, NULL, 0);
  return result;
}

/** Whether this sync is the one that is to fail. */
static int fails(enum kind kind, int ends_commit) {
  if (kind == WAL) return ends_commit && commits == fail_at && strcmp(fail_file, "wal") == 0;
  return kind == DATABASE && ++database_syncs == fail_at && strcmp(fail_file, "db") == 0;
}

static int sync_file(int fd, int (*sync)(int)) {
  if (number_of(fd) == 0) return sync(fd);
  enum kind kind = files[fd].kind;
  int ends_commit = kind == WAL && writing;
  if (ends_commit) die_at("before-sync");
  if (fails(kind, ends_commit)) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    record(SYNC_FAILED, files[fd].number, (uint64_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000), NULL, 0);
    errno = EIO;
    return -1;
  }
  int result = sync(fd);
  if (result == 0) record(SYNC, files[fd].number, 0, NULL, 0);
  if (ends_commit) {
    writing = 0;
    die_at("after-sync");
  }
  return result;
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }

int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

int unlink(const char *path) {
  int result = REAL(unlink)(path);
  const char *name = within(path);
  if (result == 0 && name != NULL) record(UNLINK, 0, 0, name, strlen(name));
  return result;
}

int rename(const char *from, const char *to) {
  int result = REAL(rename)(from, to);
  const char *old_name = within(from), *new_name = within(to);
  if (result != 0 || old_name == NULL || new_name == NULL) return result;
  size_t old_size = strlen(old_name) + 1, new_size = strlen(new_name) + 1;
  char names[old_size + new_size];
  memcpy(names, old_name, old_size);
  memcpy(names + old_size, new_name, new_size);
  record(RENAME, 0, 0, names, old_size + new_size);
  return result;
}

int mkdir(const char *path, mode_t mode) {
  int result = REAL(mkdir)(path, mode);
  const char *name = within(path);
  if (result == 0 && name != NULL) record(MKDIR, 0, 0, name, strlen(name));
  return result;
}
