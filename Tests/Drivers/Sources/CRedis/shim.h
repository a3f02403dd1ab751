#include <hiredis/hiredis.h>

// redisCommand has variable arguments, which Swift cannot pass.
static inline redisReply *redis_blpop(redisContext *context, const char *key, const char *seconds) {
  return (redisReply *)redisCommand(context, "BLPOP %s %s", key, seconds);
}
static inline redisReply *redis_rpush(redisContext *context, const char *key, const char *value) {
  return (redisReply *)redisCommand(context, "RPUSH %s %s", key, value);
}
