import SchedulePrograms
import SwiftletTesting
import TestSupport
import Testing

/// Each primitive in a few orders of its turns; `make schedules` goes through a million each.
@Suite struct PrimitiveTests {
    @Test(arguments: ScheduleProgram.all) func keepsItsPromisesInEachOrder(_ program: ScheduleProgram) throws {
        try explore(schedules: Sanitizer.isAny ? 100 : 1_000, program.body)
        try explore(schedules: 300, strategy: .systematic(deviations: 2), program.body)
    }
}
