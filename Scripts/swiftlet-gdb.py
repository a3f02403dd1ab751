# For gdb, on a running process or a core of one, x86-64: the stacks that `thread apply all bt` cannot show, since no
# thread is on them. The program needs its debug information, as Swift's package manager leaves it in.
#
#   (gdb) source Scripts/swiftlet-gdb.py
#   (gdb) swiftlet-stacks        lists them
#   (gdb) swiftlet-stacks 3      the backtrace of the third
import gdb
from gdb.unwinder import Unwinder, register_unwinder

KINDS = ["thread", "generator", "greenlet", "fiber", "task", "scheduler"]
# WaitKind in Wait.swift, by its numbers; one that is not known here is "something", too.
WAITS = dict(enumerate([
    "something", "a timer", "the end of a fiber", "a readable descriptor", "a writable descriptor", "work on another thread",
    "a Swift task", "a Waiter", "a deadline", "a lock", "a permit of a semaphore or limiter", "an event", "a condition",
    "the others at a barrier", "a queue", "a channel", "one of several, in a select", "the children of a spawn scope",
    "a semaphore, mutex or condition of C code"]))
WAITS |= {30: "stop()", 31: "a fiber of another loop"}


def live_contexts():
    """The contexts in use, slab after slab. Where they lie is said by slot_context in stack.c."""
    context = gdb.lookup_type("swiftlet_context")
    table = gdb.lookup_static_symbol("slab_table").value()
    for index in range(int(gdb.lookup_static_symbol("slab_table_used").value())):
        if int(table[index]) == 0:
            continue
        slab = table[index].dereference()
        for slot in range(int(slab["used"])):
            top = int(slab["low"]) + (slot + 1) * int(slab["slot_size"]) - slot % 12 * 128
            found = gdb.Value(top - context.sizeof).cast(context.pointer()).dereference()
            if found["is_live"]:
                yield found


def is_running(context):
    return context["thread"]["current"] == context.address


def describe(context):
    name = f"'{context['name'].string()}'" if int(context["name"]) else f"at {context.address}"
    if is_running(context):
        state = "runs"
    elif int(context["wait_id"]):
        state = f"waits for {WAITS.get(int(context['wait_kind']), WAITS[0])}"
    else:
        state = "is suspended or ready"
    return f"{KINDS[int(context['kind'])]} {name} of thread {context['thread']['kernel_id']} {state}"


class ParkedStack(Unwinder):
    """While it is enabled, the innermost frame's caller is where a parked stack goes on.

    Setting the registers would do too, but a core has none that can be set, and a process must get them back.
    """

    def __init__(self):
        super().__init__("swiftlet-parked-stack")
        self.enabled = False
        self.context = None

    def __call__(self, frame):
        if frame.level() != 0:
            return None
        context = self.context
        registers = {"rip": "resume_address", "rsp": "stack_pointer", "rbp": "frame_pointer"}
        # A frame must not lie further out than its caller.
        unwound = frame.create_unwind_info(FrameID(context["stack_pointer"], frame.read_register("rip")))
        for register, member in registers.items():
            unwound.add_saved_register(register, context[member])
        return unwound

    def show(self, context):
        self.context = context
        self.enabled = True
        gdb.invalidate_cached_frames()
        try:
            # Without the innermost frame, which is the thread's own.
            print("".join(gdb.execute("backtrace", to_string=True).splitlines(keepends=True)[1:]), end="")
        finally:
            self.enabled = False
            gdb.invalidate_cached_frames()


class FrameID:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class SwiftletStacks(gdb.Command):
    """swiftlet-stacks [NUMBER]: lists the coroutines' stacks, or shows the backtrace of one that is parked."""

    def __init__(self):
        super().__init__("swiftlet-stacks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        contexts = list(live_contexts())
        if not argument:
            for number, context in enumerate(contexts, 1):
                print(f"{number:4} {describe(context)}")
            return
        if not argument.isdigit() or not 1 <= int(argument) <= len(contexts):
            raise gdb.GdbError(f"no such stack: {argument}; `swiftlet-stacks` lists {len(contexts)}")
        context = contexts[int(argument) - 1]
        print(describe(context))
        if is_running(context):
            raise gdb.GdbError("its thread is on it: see `thread apply all backtrace`")
        parked_stack.show(context)


parked_stack = ParkedStack()
register_unwinder(None, parked_stack, replace=True)
SwiftletStacks()
