// The small parts of tools: options, quantities, digests, patterns, what ping adds up, ring plans.

import Bytes
import Testing

@testable import GuestNode

@Suite("OptionScanner")
struct OptionScannerTests {
    private func scan(_ words: [String]) throws -> [String] {
        var scanner = OptionScanner(words, withValue: ["-c", "--count"])
        var found: [String] = []
        while let item = try scanner.next() {
            switch item {
            case .option(let name): found.append(["-c", "--count"].contains(name) ? "\(name)=\(scanner.value)" : name)
            case .operand(let word): found.append("[\(word)]")
            }
        }
        return found
    }

    @Test("letters join, values join or follow, operands stand anywhere, -- ends options")
    func forms() throws {
        #expect(
            try scan(["-ab", "x", "-c5", "-c", "6", "-qc7", "--count=8", "--count", "9", "--long", "-"]) == [
                "-a", "-b", "[x]", "-c=5", "-c=6", "-q", "-c=7", "--count=8", "--count=9", "--long", "[-]",
            ])
        #expect(try scan(["--", "-a", "--", "b"]) == ["[-a]", "[--]", "[b]"])
    }

    @Test("a missing value and one too many are told")
    func mistakes() {
        #expect(throws: UsageError.missingValue(option: "-c")) { try scan(["-c"]) }
        #expect(throws: UsageError.missingValue(option: "--count")) { try scan(["--count"]) }
        #expect(throws: UsageError.unexpectedValue(option: "--long")) { try scan(["--long=1"]) }
    }
}

@Suite("Quantities")
struct QuantityTests {
    @Test("seconds are read to the nanosecond")
    func seconds() {
        #expect(Interval(seconds: "2") == .seconds(2))
        #expect(Interval(seconds: "0.5") == .milliseconds(500))
        #expect(Interval(seconds: ".25") == .milliseconds(250))
        #expect(Interval(seconds: "1.000000001") == Interval(nanoseconds: 1_000_000_001))
        #expect(Interval(seconds: "1000000") == .seconds(1_000_000))
        for text in ["", ".", "-1", "1e3", "1000000.1", "1.0000000001", "1.2.3", "٣", "1 "] {
            #expect(Interval(seconds: text) == nil, "\(text)")
        }
    }

    @Test("milliseconds are rounded to the digits asked for")
    func milliseconds() {
        #expect(GuestNode.milliseconds(1_234_567, digits: 3) == "1.235")
        #expect(GuestNode.milliseconds(999_999, digits: 2) == "1.00")
        #expect(GuestNode.milliseconds(45_000, digits: 3) == "0.045")
        #expect(GuestNode.milliseconds(1_500_000, digits: 0) == "2")
        #expect(GuestNode.milliseconds(-5, digits: 1) == "0.0")
    }

    @Test("byte counts take K, M, G and T")
    func bytes() {
        #expect(byteCount("0") == 0)
        #expect(byteCount("4096") == 4096)
        #expect(byteCount("64K") == 65536)
        #expect(byteCount("100m") == 100 << 20)
        #expect(byteCount("3G") == 3 << 30)
        for text in ["", "K", "-1", "1.5M", "1KB", "99999999999999999999", "9999999T"] {
            #expect(byteCount(text) == nil, "\(text)")
        }
    }
}

@Suite("Digest and Pattern")
struct DigestTests {
    @Test("SHA-256 of FIPS 180-4's examples, in one piece or several")
    func digest() {
        var digest = Digest()
        #expect(digest.text == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        Array("a".utf8).withUnsafeBytes { digest.update($0) }
        _ = digest.text
        Array("bc".utf8).withUnsafeBytes { digest.update($0) }
        #expect(digest.text == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("a tally reports only when it was asked to hash")
    func tally() {
        var tally = ByteTally(isHashed: true)
        Array("abc".utf8).withUnsafeBytes { tally.add($0) }
        #expect(
            tally.report("sent")
                == "sent 3 bytes sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n")
        #expect(ByteTally(isHashed: false).report("sent") == nil)
    }

    @Test("the pattern is the same whatever the pieces it is filled in")
    func pattern() {
        let whole = [UInt8](unsafeUninitializedCapacity: 256) { room, count in
            Pattern.fill(UnsafeMutableRawBufferPointer(room), from: 0)
            count = 256
        }
        #expect(whole == (0..<256).map { Pattern.byte(at: $0) })
        for start in 0..<40 {
            for length in 0..<40 {
                var piece = [UInt8](repeating: 0, count: length)
                piece.withUnsafeMutableBytes { Pattern.fill($0, from: UInt64(start)) }
                #expect(piece == Array(whole[start..<start + length]))
            }
        }
    }
}

@Suite("PingTally")
struct PingTallyTests {
    private func accept(_ tally: inout PingTally, _ microseconds: Int64, isDuplicate: Bool = false) {
        tally.accept(roundTrip: .microseconds(microseconds), isIntact: true, isDuplicate: isDuplicate)
    }

    @Test("the summary reads as iputils writes it")
    func summary() {
        var tally = PingTally()
        for _ in 0..<3 { tally.sent() }
        accept(&tally, 1000)
        accept(&tally, 3000)
        #expect(
            tally.summary(duration: .milliseconds(2003))
                == "3 packets transmitted, 2 received, 33.3333% packet loss, time 2003ms\n"
                + "rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms\n")
    }

    @Test("without an answer there are no times")
    func nothing() {
        var tally = PingTally()
        tally.sent()
        tally.failed()
        #expect(
            tally.summary(duration: .zero)
                == "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n\n")
        #expect(PingTally().summary(duration: .zero) == "0 packets transmitted, 0 received, time 0ms\n\n")
    }

    @Test("duplicates are counted apart, and hostile times do not trap")
    func odd() {
        var tally = PingTally()
        tally.sent()
        accept(&tally, 10)
        accept(&tally, 10, isDuplicate: true)
        #expect(
            tally.summary(duration: .zero).hasPrefix("1 packets transmitted, 1 received, +1 duplicates, 0% packet loss")
        )
        for _ in 0..<3 { accept(&tally, .max / 1000) }
        accept(&tally, -5)
        #expect(tally.summary(duration: .zero).contains("rtt"))
    }

    @Test(
        "times have three digits worth reading",
        arguments: [(12, "0.012"), (999, "0.999"), (1234, "1.23"), (12_345, "12.3"), (123_456, "123")])
    func rounding(microseconds: Int64, text: String) {
        #expect(PingTally.rounded(.microseconds(microseconds)) == text)
    }
}
