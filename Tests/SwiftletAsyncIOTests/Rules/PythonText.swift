/// What `r01_rules.py`, the rules of Python's coroutines one line each, prints on Python 3.11. Types that have other names
/// here are spelled as ours: `int` is `Int`, a coroutine's type is `Coroutine`, and `__await__` `makeAwaitIterator`.
enum PythonText {
    static let lines: [String: String] = [
        "R1": "True",
        "R3": "CO_COROUTINE True, CO_ITERABLE_COROUTINE True",
        "R4": "RuntimeError: coroutine raised StopIteration",
        "R5": "RuntimeWarning: coroutine 'native' was never awaited",
        "R6a": "native coroutine -> 1",
        "R6b": "types.coroutine generator -> 2",
        "R6c": "__await__ object -> None",
        "R6d": "__await__ that returns no iterator -> TypeError: __await__() returned non-iterator of type 'int'",
        "R8": "TypeError: object int can't be used in 'await' expression",
        "R9":
            "TypeError: 'coroutine' object is not iterable; TypeError: 'coroutine' object is not iterable; "
            + "TypeError: 'coroutine' object is not an iterator",
        "R10": "TypeError: cannot 'yield from' a coroutine object in a non-coroutine generator",
        "R11": "types.coroutine generator may yield from a native coroutine -> 1; asyncio.coroutine there: False",
        "R12": "isgenerator False, isgeneratorfunction False",
        "R13":
            "iscoroutine True/False, iscoroutinefunction True/False, isawaitable True/True/True/False "
            + "(native/generator-based/__await__/int)",
        "R14 created": "CORO_CREATED {'a': 1}",
        "R14 running": "CORO_RUNNING",
        "R14 suspended": "CORO_SUSPENDED {'a': 1, 'b': 2}",
        "R14 value": "3",
        "R14 closed": "CORO_CLOSED {}",
        "R15": "awaiting twice -> RuntimeError: cannot reuse already awaited coroutine",
        "R16": "Task exception was never retrieved ValueError('nobody looks')",
        "R17":
            "set_result twice -> InvalidStateError: invalid state; result() before done -> InvalidStateError: "
            + "Result is not set.; await a future twice -> 1, 1",
    ]

    /// A line in our spelling.
    static func line(_ rule: String) -> String {
        var line = lines[rule]!
        for (python, swift) in [
            ("'int'", "'Int'"), ("object int ", "object Int "), ("'coroutine' object", "'Coroutine' object"),
            ("a coroutine object", "a Coroutine object"), ("__await__()", "makeAwaitIterator()"),
        ] {
            line = line.split(separator: python, omittingEmptySubsequences: false).joined(separator: swift)
        }
        return line
    }

    /// Python's message in a line that ends with an error: what stands after the error's type.
    static func message(_ rule: String) -> String {
        let line = line(rule)
        let words = line.split(separator: "Error: ", maxSplits: 1, omittingEmptySubsequences: false)
        return String(words.count > 1 ? words[1] : line.split(separator: "Warning: ")[1])
    }

    /// A dictionary as Python prints it.
    static func dictionary(_ locals: [String: any Sendable]) -> String {
        "{" + locals.sorted { $0.key < $1.key }.map { "'\($0)': \($1)" }.joined(separator: ", ") + "}"
    }

    static func bool(_ value: Bool) -> String { value ? "True" : "False" }
}
