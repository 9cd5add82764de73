// What netemu-gates counts: fixed pieces of work over the low rooms only, so that a gate is built without the rest of
// netemu. Each file adds its own; nothing here knows what they do.

import Glibc

/// Work on a fixed input, for scripts/speed-gates.
struct Gate: Sendable {
    let name: String
    /// What one unit is: "frame of 64 bytes", "segment", "message".
    let unit: String
    /// Does the work, prints nothing and returns how many units that was. No clock, no randomness.
    let run: @Sendable () -> Int
}

/// The program netemu-gates.
package enum Gates {
    static let all: [Gate] = RingLoop.gates + [FrameLoop.gate, CodecGate.gate] + TCPPair.gates

    /// Without arguments it lists the gates; NAME does the work of one and prints its units.
    package static func main(arguments: [String]) -> Int32 {
        guard let name = arguments.first else {
            for gate in all { say(gate.name, to: 1) }
            return 0
        }
        guard arguments.count == 1, let gate = all.first(where: { $0.name == name }) else {
            say("usage: netemu-gates [NAME]; without NAME it lists them", to: 2)
            return 2
        }
        say("\(gate.run()) \(gate.unit)", to: 1)
        return 0
    }

    private static func say(_ line: String, to descriptor: CInt) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
