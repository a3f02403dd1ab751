import SwiftletCoroutines
import SwiftletLoop

extension ScheduleProgram {
    static let queues =
        [
            exchange("Queue") { Queue<Int>(capacity: 1) },
            exchange("Queue without a limit") { Queue<Int>() },
            exchange("PriorityQueue") { PriorityQueue<Int>(capacity: 2) },
            exchange("LifoQueue") { LifoQueue<Int>(capacity: 2) },
            channel("Channel of 0", capacity: 0),
            channel("Channel of 1", capacity: 1),
            channel("Channel of 3", capacity: 3),
        ] + [
            ScheduleProgram(name: "Queue shut down") {
                let queue = Queue<Int>(capacity: 1)
                var (put, got) = (0, 0)
                let putting = {
                    do {
                        for _ in 0..<3 {
                            try queue.put(1)
                            put += 1
                        }
                    } catch is QueueShutDown {}
                }
                let getting = {
                    do {
                        while true { got += try queue.get() }
                    } catch is QueueShutDown {}
                }
                try race([
                    putting, putting, getting,
                    {
                        for _ in 0..<3 { try yield() }
                        queue.shutdown()
                    },
                ])
                try check(put == got && queue.isEmpty, "\(put) were put and \(got) got")
            },
            ScheduleProgram(name: "select") {
                let (left, right) = (Channel<Int>(), Channel<Int>(capacity: 1))
                let stop = Event()
                var (sent, received) = (0, 0)
                let send = {
                    for _ in 0..<2 {
                        try select(.send(1, to: left) {}, .send(1, to: right) {})
                        sent += 1
                    }
                }
                let receive = {
                    var goesOn = true
                    while goesOn {
                        goesOn = try select(
                            .receive(from: left) { item in
                                received += item!
                                return true
                            },
                            .receive(from: right) { item in
                                received += item!
                                return true
                            },
                            .wait(for: stop) { false })
                    }
                }
                let receivers = [spawn { try receive() }, spawn { try receive() }]
                try race(cancelling: [1], [send, send, send])
                try idle()
                stop.set()
                try joinAll(receivers, rethrowing: true)
                while let item = try left.receiveNow() ?? right.receiveNow() { received += item }
                try check(received == sent && sent >= 4, "\(sent) were sent and \(received) received")
            },
        ]

    /// Each item comes out once, also when one who puts and one who gets are cancelled.
    private static func exchange(_ name: String, _ make: @escaping @Sendable () -> Queue<Int>) -> ScheduleProgram {
        ScheduleProgram(name: name) {
            let queue = make()
            var (put, got): ([Int], [Int]) = ([], [])
            let putting = { (numbers: Range<Int>) in
                for number in numbers {
                    try queue.put(number)
                    put.append(number)
                }
            }
            let getting = {
                while true {
                    got.append(try queue.get())
                    try queue.taskDone()
                }
            }
            let getters = [spawn { try getting() }, spawn { try getting() }]
            let lost = spawn { try getting() }
            try race(
                cancelling: [1], [{ try putting(0..<3) }, { try putting(3..<6) }, { lost.cancel() }])
            try check(try queue.join(timeout: .seconds(1)), "the queue never was done with")
            for getter in getters { getter.cancel() }
            try joinAll(getters + [lost])
            try check(got.sorted() == put.sorted() && put.count >= 3, "\(put) were put and \(got) got")
        }
    }

    private static func channel(_ name: String, capacity: Int) -> ScheduleProgram {
        ScheduleProgram(name: name) {
            let channel = Channel<Int>(capacity: capacity)
            var (sent, received): ([Int], [Int]) = ([], [])
            let sending = { (numbers: Range<Int>) in
                for number in numbers {
                    try channel.send(number)
                    sent.append(number)
                }
            }
            let receiving = { while let number = try channel.receive() { received.append(number) } }
            let receivers = [spawn { try receiving() }, spawn { try receiving() }]
            try race(cancelling: [2], [{ try sending(0..<3) }, { try sending(3..<6) }, receiving])
            channel.close()
            try joinAll(receivers, rethrowing: true)
            try check(received.sorted() == Array(0..<6), "\(sent) were sent and \(received) received")
        }
    }
}

extension Channel {
    fileprivate func receiveNow() throws -> Element? {
        do {
            return try receiveNoWait()
        } catch ChannelError.wouldWait {
            return nil
        }
    }
}
