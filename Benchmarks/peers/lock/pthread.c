// The system's own lock, locked and unlocked without anybody else wanting it: lock-pthread N
#include "../common/peer.h"
#include <pthread.h>
int main(int argc, char **argv) {
    long n = arg_long(argc, argv, 1, 50000000);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    double t0 = now_ns();
    for (long i = 0; i < n; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    printf("{\"workload\":\"lock\",\"peer\":\"pthread-mutex\",\"n\":%ld,\"value\":%.2f,\"unit\":\"ns/pair\"}\n", n, (now_ns() - t0) / n);
}
