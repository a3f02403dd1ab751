// Brotli (Debian: libbrotli-dev).
#include <brotli/decode.h>
#include <brotli/encode.h>
