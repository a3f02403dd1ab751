import Glibc

/// What the process is built with. A sanitizer's own bookkeeping makes memory grow, and the thread sanitizer holds
/// signals back from a thread that computes.
public enum Sanitizer {
    public static let isThread = dlsym(nil, "__tsan_init") != nil
    public static let isAddress = dlsym(nil, "__asan_init") != nil
    public static var isAny: Bool { isThread || isAddress }
    /// How much longer things may take.
    public static var patience: Int { isAny ? 10 : 1 }
}
