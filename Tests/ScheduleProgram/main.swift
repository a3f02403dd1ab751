import Glibc
import SchedulePrograms
import SwiftletTesting

// Explores each primitive's program in SWIFTLET_SCHEDULES orders of its turns (a million by default); those named by the
// arguments, or all. Prints a line for each; a failing order ends it, with its seed.

let schedules = getenv("SWIFTLET_SCHEDULES").flatMap { Int(String(cString: $0)) } ?? 1_000_000
let names = CommandLine.arguments.dropFirst()
for program in ScheduleProgram.all where names.isEmpty || names.contains(program.name) {
    let clock = ContinuousClock()
    let begin = clock.now
    do {
        try explore(schedules: schedules, program.body)
    } catch {
        print("\(program.name): \(error)")
        exit(1)  // which flushes, too
    }
    print("\(program.name): survived \(schedules) orders in \(clock.now - begin)")
    fflush(nil)
}
