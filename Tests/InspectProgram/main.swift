import Glibc
import Swiftlet
import SwiftletHTTP
import SwiftletInspect

// Processes with something to see in them: what a test, or a reader of the article, looks into with the command. The first
// line of output says that it is there; it runs until it is killed.

func say(_ line: String) {
    print(line)
    fflush(nil)
}

let arguments = CommandLine.arguments.dropFirst()
let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 0
try EventLoop.run {
    switch arguments.first {
    case "parked": try park()
    case "compute": try compute()
    case "blocking": try block()
    case "deadlock": try deadlock()
    case "sockets": try leakSockets(count)
    case "many": try many(count)
    case "busy": try chatter()
    case "serve": try serve(count)
    default: say("parked | compute | blocking | deadlock | sockets N | many N | busy | serve PORT")
    }
}
