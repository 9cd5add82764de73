// The stream's bytes to frames: whole, in pieces, too long, refused.

import Glibc
import Linux
import Testing

@testable import Link
@testable import Netdevs

struct StreamInputTests {
    /// Has `input` receive these bytes from a socket; returns how many it took.
    private func fill(_ input: inout StreamInput, _ bytes: [UInt8]) throws -> Int {
        guard !bytes.isEmpty else { return 0 }
        let (near, far) = try UnixSocket.pair()
        #expect(write(far.raw, bytes, bytes.count) == bytes.count)
        return try input.fill(from: near.raw) ?? 0
    }

    /// The frames that `input` lends, as arrays; the last `refusing` of each batch are refused.
    private func lent(_ input: inout StreamInput, refusing: Int = 0) -> [[UInt8]] {
        var found: [[UInt8]] = []
        _ = input.lend { frames in
            for frame in frames { found.append(frame.segments.flatMap { Array($0) }) }
            return refusing
        }
        return found
    }

    @Test("every way of cutting three frames gives the three frames")
    func cuts() throws {
        let stream: [UInt8] = [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 2, 4, 5, 0, 0, 0, 1, 6]
        for cut in 0...stream.count {
            var input = StreamInput(longest: 100)
            var found: [[UInt8]] = []
            for part in [stream[..<cut], stream[cut...]] {
                #expect(try fill(&input, Array(part)) == part.count)
                while true {
                    let some = lent(&input)
                    if some.isEmpty { break }
                    found += some
                }
            }
            #expect(found == [[1, 2, 3], [4, 5], [6]], "cut at \(cut)")
        }
    }

    @Test("what is refused is lent again")
    func refused() throws {
        var input = StreamInput(longest: 100)
        _ = try fill(&input, [0, 0, 0, 1, 7, 0, 0, 0, 1, 8])
        #expect(lent(&input, refusing: 1) == [[7], [8]])
        #expect(lent(&input) == [[8]])
        #expect(lent(&input) == [])
    }

    @Test("a frame that is too long is told and never lent", arguments: [UInt32(101), 69633, .max])
    func oversized(length: UInt32) throws {
        var input = StreamInput(longest: 100)
        _ = try fill(&input, [0, 0, 0, 1, 7] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) })
        #expect(lent(&input) == [[7]])
        #expect(input.oversized == length && lent(&input) == [])
    }

    @Test("a long run of frames passes through one buffer")
    func compaction() throws {
        var input = StreamInput(longest: 100)
        var sent: UInt8 = 0
        var expected: UInt8 = 0
        for _ in 0..<1000 {
            let size = Int(sent % 97) + 1
            let frame = [0, 0, 0, UInt8(size)] + [UInt8](repeating: sent, count: size)
            if try fill(&input, frame) == frame.count { sent &+= 1 } else { Issue.record("no room") }
            for frame in lent(&input) {
                #expect(frame == [UInt8](repeating: expected, count: Int(expected % 97) + 1))
                expected &+= 1
            }
        }
        #expect(expected == sent)
    }
}
