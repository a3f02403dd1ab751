#define _GNU_SOURCE
#include "CSwiftletPool.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int swiftlet_pool_pair(int ends[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -errno;
  // Fewer turns for large payloads. What the kernel does not grant is no error.
  int size = 1 << 20;
  for (int i = 0; i < 2; i++) setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return 0;
}

/// The environment with one variable set. The strings are the environment's own.
static char **environment_with(const char *assignment) {
  size_t count = 0, name = strcspn(assignment, "=") + 1;
  while (environ[count]) count++;
  char **copy = malloc((count + 2) * sizeof *copy);
  if (!copy) return NULL;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], assignment, name) != 0) copy[kept++] = environ[i];
  copy[kept++] = (char *)assignment;
  copy[kept] = NULL;
  return copy;
}

int swiftlet_pool_spawn(
    const char *path, const char *const *arguments, const char *assignment, int socket, int *process) {
  char **environment = environment_with(assignment);
  if (!environment) return -ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  pid_t id = 0;
  // A socket that has the number already only loses its mark for exec.
  int status = posix_spawn_file_actions_adddup2(&actions, socket, SWIFTLET_WORKER_SOCKET);
  if (!status) status = posix_spawn_file_actions_addclosefrom_np(&actions, SWIFTLET_WORKER_SOCKET + 1);
  if (!status) status = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!status) status = posix_spawnattr_setsigmask(&attributes, &none);
  if (!status) status = posix_spawnattr_setsigdefault(&attributes, &all);
  if (!status) status = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (!status) status = posix_spawn(&id, path, &actions, &attributes, (char *const *)arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  free(environment);
  if (status) return -status;
  // The child cannot be reaped by anybody else, so the id is still its own.
  *process = (int)syscall(SYS_pidfd_open, id, 0);
  if (*process >= 0) return id;
  status = errno;
  kill(id, SIGKILL);
  waitpid(id, NULL, 0);
  return -status;
}

swiftlet_pool_exit swiftlet_pool_reap(int process) {
  swiftlet_pool_exit how = {.code = -1};
  siginfo_t information = {0};
  int status;
  do status = waitid(P_PIDFD, (id_t)process, &information, WEXITED);
  while (status != 0 && errno == EINTR);
  if (status != 0) return how;  // somebody else has waited for it, or SIGCHLD is ignored
  how.is_known = true;
  if (information.si_code == CLD_EXITED) how.code = information.si_status;
  else how.signal = information.si_status;
  return how;
}

int swiftlet_pool_signal(int process, int signal) {
  return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0) == 0 ? 0 : -errno;
}

int swiftlet_pool_become_worker(int parent) {
  if (fcntl(SWIFTLET_WORKER_SOCKET, F_SETFD, FD_CLOEXEC) != 0) return -errno;
  signal(SIGINT, SIG_IGN);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -errno;
  // It may have ended before that.
  return getppid() == parent ? 0 : -ESRCH;
}

long swiftlet_pool_send(int socket, const void *bytes, size_t size, int passed) {
  struct iovec piece = {(void *)bytes, size};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  if (passed >= 0) {
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  for (;;) {
    ssize_t count = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

long swiftlet_pool_send_both(int socket, const void *first, size_t first_size, const void *second, size_t second_size) {
  struct iovec pieces[2] = {{(void *)first, first_size}, {(void *)second, second_size}};
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
  for (;;) {
    ssize_t count = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

long swiftlet_pool_receive(int socket, void *buffer, size_t size, int *passed) {
  struct iovec piece = {buffer, size};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message;
  ssize_t count;
  *passed = -1;
  do {
    message = (struct msghdr){
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(passed, CMSG_DATA(header), sizeof *passed);
  else if (message.msg_flags & MSG_CTRUNC) *passed = -2;
  return count;
}

int swiftlet_pool_shut_down(int socket) { return shutdown(socket, SHUT_RDWR) == 0 ? 0 : -errno; }

int swiftlet_pool_share(size_t size, void **start) {
  int memory = memfd_create("swiftlet-pool", MFD_CLOEXEC);
  if (memory < 0) return -errno;
  // Pages that could not be had later would end the process at the first touch.
  int reason;
  do reason = posix_fallocate(memory, 0, (off_t)size);
  while (reason == EINTR);
  if (reason == 0) {
    *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
    if (*start != MAP_FAILED) return memory;
    reason = errno;
  }
  close(memory);
  return -reason;
}

const void *swiftlet_pool_map(int descriptor, size_t size) {
  struct stat information;
  void *memory = MAP_FAILED;
  int reason = EPROTO;
  // A mapping beyond the end of the file would end the process at the first touch.
  if (fstat(descriptor, &information) == 0 && (size_t)information.st_size >= size) {
    memory = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    reason = errno;
  }
  errno = reason;
  return memory == MAP_FAILED ? NULL : memory;
}

void swiftlet_pool_prefer_huge_pages(const void *start, size_t size) {
  // The pages at both ends belong to the same mapping, whatever else is in them; a kernel without huge pages says no.
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)start & -page;
  int reason = errno;
  madvise((void *)begin, (((uintptr_t)start + size + page - 1) & -page) - begin, MADV_HUGEPAGE);
  errno = reason;
}

void swiftlet_pool_unmap(const void *memory, size_t size) { munmap((void *)memory, size); }

struct identity {
  char *text;
  size_t capacity;
};

/// The linker's build id of the first object, which is the program.
static int find_build_id(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size;
  struct identity *identity = argument;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &object->dlpi_phdr[i];
    if (header->p_type != PT_NOTE) continue;
    const char *at = (const char *)(object->dlpi_addr + header->p_vaddr), *end = at + header->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const ElfW(Nhdr) *note = (const void *)at;
      const char *name = at + sizeof *note;
      const unsigned char *value = (const unsigned char *)name + ((note->n_namesz + 3) & ~3u);
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
        size_t used = 0;
        for (unsigned k = 0; k < note->n_descsz && used + 3 <= identity->capacity; k++, used += 2)
          snprintf(identity->text + used, 3, "%02x", value[k]);
        return 1;
      }
      at = (const char *)value + ((note->n_descsz + 3) & ~3u);
    }
  }
  return 1;
}

void swiftlet_pool_build_identity(char *text, size_t capacity) {
  struct identity identity = {text, capacity};
  text[0] = 0;
  dl_iterate_phdr(find_build_id, &identity);
  if (text[0]) return;
  struct stat program;
  if (stat("/proc/self/exe", &program) == 0)
    snprintf(
        text, capacity, "size %lld, modified %lld.%09ld", (long long)program.st_size, (long long)program.st_mtim.tv_sec,
        program.st_mtim.tv_nsec);
}
