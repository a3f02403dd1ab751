import Swiftlet
import SwiftletHTTP

/// E24: one request after the other, the base line of E25 and E26. Five instead of the tutorial's hundred, which take five
/// minutes; `SERIAL_N` sets the number. Needs the slow server: `swiftlet serve`, or E18.
func serialRequests() throws {
    let url = Settings.url

    func request() throws {
        print("Waiting for", url)
        let result = try HTTP.get(url).text
        print("Get response from", url, "Result:", result)
    }

    let time = try ContinuousClock().measure {
        for _ in 0..<Settings.number("SERIAL_N", default: 5) { try request() }
    }
    print("Cost time:", time.seconds)
}
