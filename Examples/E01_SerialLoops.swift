/// E1: two plain loops, one after the other. The base line of E2.
func serialLoops() {
    let turns = Settings.number("LOOP_N", default: 10_000_000)

    func function1() { for number in 0..<turns { keep(number + 1) } }
    func function2() { for number in 0..<turns { keep(number + 1) } }

    let time = ContinuousClock().measure {
        function1()
        function2()
    }
    print(time.seconds)
}

/// Without this the optimizer would see that nobody wants the sums, and leave the loops out.
@_optimize(none)
func keep(_ number: Int) {}
