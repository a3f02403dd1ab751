// The C client of NATS (Debian: libnats-dev).
#include <nats/nats.h>
