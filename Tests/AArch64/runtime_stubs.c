// What the C part calls of the Swift runtime. Nothing was probed here, so no word of it is swapped.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void swift_beginAccess(void *pointer, void *buffer, uintptr_t flags, void *program_counter) {
  (void)pointer, (void)buffer, (void)flags, (void)program_counter;
}
void swift_endAccess(void *buffer) { (void)buffer; }
void *swift_task_getCurrent(void) { return NULL; }
bool swift_task_isCancelled(void *task) { return (void)task, false; }
const void *swift_task_addCancellationHandler(void *handler, void *context) {
  (void)handler, (void)context;
  return NULL;
}
void swift_task_removeCancellationHandler(const void *record) { (void)record; }
