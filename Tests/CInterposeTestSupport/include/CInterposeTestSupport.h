// Calls that Swift cannot make: variable arguments, fortified names, signal handlers that call, fork.
#ifndef CINTERPOSE_TEST_SUPPORT_H
#define CINTERPOSE_TEST_SUPPORT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

ssize_t call_read_chk(int descriptor, void *buffer, size_t size, size_t room);
ssize_t call_recv_chk(int descriptor, void *buffer, size_t size, size_t room, int flags);
ssize_t call_recvfrom_chk(int descriptor, void *buffer, size_t size, size_t room, int flags);
int call_poll_chk(struct pollfd *wanted, nfds_t count, int milliseconds, size_t room);
int call_ppoll_chk(struct pollfd *wanted, nfds_t count, const struct timespec *limit, size_t room);
ssize_t call_pread_chk(int descriptor, void *buffer, size_t size, off_t offset, size_t room);
ssize_t call_alias_read(int descriptor, void *buffer, size_t size);
ssize_t call_alias_write(int descriptor, const void *buffer, size_t size);
int call_alias_nanosleep(const struct timespec *wanted, struct timespec *left);
int call_alias_select_none(long milliseconds);
int call_alias_close(int descriptor);

// What Swift's module of Glibc does not offer.
int call_eventfd(void);
ssize_t call_splice(int from, int to, size_t size);
int call_close_range(int number);
int call_dup3(int descriptor, int number);
int call_accept4(int listener, int flags);
int call_ppoll(struct pollfd *wanted, nfds_t count, const struct timespec *limit, const sigset_t *mask);
/// An epoll descriptor that looks whether another one can be read, and calls it by a number.
int call_epoll_create(int descriptor, int number);
/// Answers epoll_wait's result, and the number of the first that was found. `kind`: 0 epoll_wait, 1 epoll_pwait, 2 epoll_pwait2.
int call_epoll_wait(int kind, int poller, int capacity, int milliseconds, int *number);

/// select on the two sides of two descriptors; answers its result, and in `ready` a bit for each that is left.
int call_select(int reading, int writing, long milliseconds, unsigned *ready, long *left_milliseconds);
int call_pselect(int reading, int writing, long milliseconds, unsigned *ready);
/// fcntl with a record lock on the first byte: `type` of F_RDLCK and so on.
int call_lock(int descriptor, int command, int type);
int call_flags(int descriptor);
int call_set_flags(int descriptor, int flags);
/// SO_RCVTIMEO, SO_SNDTIMEO.
int call_set_limit(int descriptor, int option, long milliseconds);
ssize_t call_recvmmsg(int descriptor, unsigned count, int flags, long milliseconds, unsigned *total);
int call_sendmmsg(int descriptor, unsigned count, size_t size);

/// Installs a handler that counts its calls.
void install_counting_handler(int signal, bool restarts);
int counted_signals(void);
/// Lets SIGUSR1, SIGUSR2 and SIGCHLD through on the calling thread: test runners hold them back.
void admit_signals(void);
/// Installs a handler that sleeps for that time, and says afterwards how long it has.
void install_sleeping_handler(int signal, long milliseconds);
long slept_in_handler(void);
int signal_this_thread(int signal);
int thread_number(void);
int signal_thread(int thread, int signal);

/// Runs `body` in a child process, which ends with what it answers.
pid_t run_in_child(int (*body)(void *argument), void *argument);
/// How often this process is the child of a fork, from now on: by a handler of pthread_atfork.
void count_forks(void);
int counted_forks(void);
/// Closes all but the three standard ones.
void close_everything(void);

/// Covered calls were made before any constructor had run: the name of the first that went wrong, or NULL.
const char *what_failed_before_start_up(void);
/// Ends the process, with a handler of `atexit` that makes covered calls and waits for a byte from the parent: with 42 if they do
/// what they should, and if the counter stays as it is meanwhile.
void exit_with_calls(int reading, const int *other_progress);

/// What a piece of C code has been answered: a line a call.
typedef struct {
  char text[8192];
} answers;

void tell_streams_and_sockets(answers *answers);
void tell_files(answers *answers);
/// `exits`: `exit` too, in a child.
void tell_closing(answers *answers, bool exits);
void tell_record_locks(answers *answers);
/// There must be no other children.
void tell_any_child(answers *answers, bool has_no_other);
void tell_names(answers *answers);
void tell_semaphores(answers *answers);
void tell_pause(answers *answers);
void tell_threads(answers *answers);

/// From now on the covered calls of watched threads, and of their children, are noted. False: there are too many.
bool begin_noting(void);
void end_noting(void);
void watch_this_thread(bool watches);
bool was_noted(const char *name);

/// Recursive, checking (2) or ordinary (0) mutexes.
void *make_mutex(int kind);
void free_mutex(void *mutex);

/// Calls that need not wait, to be measured.
size_t measured_count(void);
const char *measured_name(size_t index);
/// Nanoseconds of one call, with what makes it ready, by its covered name and by libc's own function.
void measure(size_t index, int repetitions, double *named, double *direct);

/// Threads that use the same calls until told to stop. Answers how many round trips failed.
void *start_hammering(int threads);
long stop_hammering(void *hammer, long *rounds);

#endif
