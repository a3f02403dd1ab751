import PoolTestJobs
import SwiftletPool

func runWorkerOfTests() { WorkerProcess.runIfWorker(testJobs) }
