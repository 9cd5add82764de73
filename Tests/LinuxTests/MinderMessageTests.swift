import Bytes
import Testing

@testable import Linux

@Suite("the conversation with the minder")
struct MinderMessageTests {
    static let requests: [(MinderRequest, descriptors: Int)] = [
        (
            .spawn(
                id: 7,
                MinderSpawn(
                    path: "/p", arguments: ["p", "", "ä"], targets: [1, 1023], hasDirectory: true, hasOwnGroup: false)
            ), 3
        ),
        (.spawn(id: 0, MinderSpawn(path: "/p", arguments: ["p"])), 0),
        (.signal(id: .max, number: 15), 0),
    ]

    static let reports: [(MinderReport, descriptors: Int)] = [
        (.ready(path: "/tmp/x"), 1),
        (.cannotPrepare(SystemError(call: "mkdtemp", code: 13, subject: "/tmp")), 0),
        (.started(id: 1, pid: 4711), 1),
        (.failed(id: 2, .system(SystemError(call: "execve", code: 2, subject: "/p"))), 0),
        (.failed(id: 2, .refused("no")), 0), (.failed(id: 2, .tooLarge("x")), 0), (.failed(id: 2, .noMinder), 0),
        (.line(id: 3, ""), 0), (.line(id: 3, "text"), 0), (.dropped(id: 3, 12), 0),
        (.ended(id: 4, .exited(255)), 0), (.ended(id: 4, .signalled(9)), 0),
    ]

    private func message(_ bytes: some Collection<UInt8>) -> MinderMessage? {
        Array(bytes).withUnsafeBytes { MinderMessage($0) }
    }

    @Test("every request and report is read as it was written")
    func roundTrip() throws {
        for (request, count) in Self.requests {
            let read = try #require(message(request.message.encoded))
            #expect(MinderRequest(read, descriptorCount: count) == request)
            #expect(MinderReport(read, descriptorCount: count) == nil)
        }
        for (report, count) in Self.reports {
            let read = try #require(message(report.message.encoded))
            #expect(MinderReport(read, descriptorCount: count) == report)
            #expect(MinderRequest(read, descriptorCount: count) == nil)
        }
    }

    @Test("a spawn request has this layout")
    func golden() {
        let (request, _) = Self.requests[0]
        let expected: [UInt8] = [
            1, 1, 2, 0,  // spawn, with a directory, two targets
            7, 0, 0, 0,  // id
            0, 0, 0, 0,  // value: unused
            1, 0, 0xff, 3,  // targets 1 and 1023
            0x2f, 0x70, 0,  // "/p"
            0x70, 0, 0, 0xc3, 0xa4, 0,  // "p", "", "ä"
        ]
        #expect(request.message.encoded == expected)
    }

    @Test("a wrong number of descriptors makes no request")
    func descriptorCounts() throws {
        for (request, count) in Self.requests {
            let read = try #require(message(request.message.encoded))
            for other in 0...40 where other != count { #expect(MinderRequest(read, descriptorCount: other) == nil) }
        }
    }

    @Test("a message cut anywhere is another valid message or none, and never the same one")
    func truncations() {
        for (request, count) in Self.requests {
            let bytes = request.message.encoded
            for length in 0..<bytes.count {
                guard let cut = message(bytes.prefix(length)) else { continue }
                #expect(MinderRequest(cut, descriptorCount: count) != request)
            }
        }
        for (report, count) in Self.reports {
            let bytes = report.message.encoded
            for length in 0..<bytes.count {
                guard let cut = message(bytes.prefix(length)) else { continue }
                #expect(MinderReport(cut, descriptorCount: count) != report)
            }
        }
    }

    @Test("garbage is refused or is exactly what it would be written as")
    func garbage() {
        var random = SeededGenerator(seed: 5)
        let seeds = Self.requests.map(\.0.message.encoded) + Self.reports.map(\.0.message.encoded)
        for _ in 0..<50_000 {
            var bytes = seeds.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let read = message(bytes) else { continue }
            #expect(read.encoded == bytes)
            for count in 0...3 {
                if let request = MinderRequest(read, descriptorCount: count) {
                    #expect(MinderRequest(request.message, descriptorCount: count) == request)
                }
                if let report = MinderReport(read, descriptorCount: count) {
                    #expect(MinderReport(report.message, descriptorCount: count) == report)
                }
            }
        }
    }

    @Test("a count that reaches behind the end, a word without its end, a size above the limit: no message")
    func lies() {
        #expect(message([1, 0, 0xff, 0xff] + [UInt8](repeating: 0, count: 100)) == nil)
        #expect(message([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x61]) == nil)
        #expect(message([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0]) == nil)
        #expect(message([UInt8](repeating: 0, count: MinderMessage.sizeLimit + 1)) == nil)
    }
}
