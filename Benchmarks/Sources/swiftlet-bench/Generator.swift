import Swiftlet

/// A `for` loop over a counting generator: one element costs a resume and a suspend.
func measureGenerator(count: Int) throws {
    let numbers = Generator<Int> { yield in
        for number in 0..<count { try yield(number) }
    }
    var sum = 0
    let elapsed = ContinuousClock().measure { for number in numbers { sum += number } }
    precondition(sum == count * (count - 1) / 2)
    emit("generator", "swiftlet", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/element")
}
