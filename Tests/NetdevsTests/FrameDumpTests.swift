// Captures read back: every record of both formats, what a direction leaves out, where a frame is cut,
// and a disk that is full.

import Glibc
import Link
import Linux
import TestSupport
import Testing

@testable import Netdevs

/// A record of a capture file.
private struct Record: Equatable {
    var bytes: [UInt8]
    var length: Int
    /// pcapng only: 1 inbound, 2 outbound.
    var direction: Int?
}

/// A reader of little-endian capture files, as strict as can be; nil for what is no such file.
private struct CaptureReader {
    private var bytes: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    private mutating func word(_ count: Int = 4) -> Int? {
        guard let part = take(count) else { return nil }
        return part.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return Array(bytes.prefix(count))
    }

    mutating func readPcap() -> (longest: Int, records: [Record])? {
        guard word() == 0xa1b2_c3d4, word(2) == 2, word(2) == 4, word(8) == 0, let longest = word(), word() == 1 else {
            return nil
        }
        var records: [Record] = []
        while !bytes.isEmpty {
            guard let seconds = word(), seconds > 1_700_000_000, let fraction = word(), fraction < 1_000_000,
                let kept = word(), let length = word(), let data = take(kept)
            else { return nil }
            records.append(Record(bytes: data, length: length))
        }
        return (longest, records)
    }

    mutating func readPcapng() -> [Record]? {
        var records: [Record] = []
        while !bytes.isEmpty {
            guard let type = word(), let total = word(), total >= 12, total % 4 == 0, let body = take(total - 12),
                word() == total
            else { return nil }
            var inner = CaptureReader(body)
            guard type == 6 else { continue }
            guard inner.word() == 0, let high = inner.word(), let low = inner.word(),
                high << 32 | low > 1_700_000_000 * 1_000_000_000, let kept = inner.word(), let length = inner.word(),
                let data = inner.take(kept), let pad = inner.take((4 - kept % 4) % 4), pad.allSatisfy({ $0 == 0 }),
                inner.word(2) == 2, inner.word(2) == 4, let flags = inner.word(), inner.word() == 0
            else { return nil }
            records.append(Record(bytes: data, length: length, direction: flags & 3))
        }
        return records
    }
}

/// A link between scripted ports with a capture on it.
private final class DumpScript {
    let turn = TurnEnd()
    let link: FrameLink
    let card = ScriptedPort()
    let netdev = ScriptedPort()
    let dump: FrameDump
    let reactor: Reactor

    init(_ path: String, _ format: CaptureFormat, longest: UInt32 = 65536, direction: FrameDump.Direction = .all) throws
    {
        link = FrameLink(atEndOfTurn: turn.door)
        reactor = try Reactor()
        dump = try FrameDump(
            path, FrameDump.Options(format: format, longest: longest, direction: direction, interface: "n0"),
            on: reactor)
        link.connect(card, at: .card)
        link.connect(netdev, at: .netdev)
        link.add(dump)
    }

    /// Three frames from the card, two from the netdev, in turns.
    func exchange() {
        for number in 0..<5 {
            let frame = testFrame([14, 60, 61, 1514, 9000][number], number)
            #expect(link.send([frame], pieces: 3, from: number % 2 == 0 ? .card : .netdev) == 1)
        }
        turnOver()
    }

    func turnOver() {
        turn.run()
        try? reactor.turn(maxWaitNanoseconds: 0)
    }
}

private func pcap(_ file: [UInt8]) -> (longest: Int, records: [Record])? {
    var reader = CaptureReader(file)
    return reader.readPcap()
}

private func pcapng(_ file: [UInt8]) -> [Record]? {
    var reader = CaptureReader(file)
    return reader.readPcapng()
}

private func contents(_ path: String) throws -> [UInt8] { try SmallFile.read(path, limit: 16 << 20) }

struct FrameDumpTests {
    private static let lengths = [14, 60, 61, 1514, 9000]
    private static let all = lengths.enumerated().map { number, length in
        Record(bytes: testFrame(length, number), length: length, direction: number % 2 == 0 ? 2 : 1)
    }

    @Test("a pcap file holds every frame of both directions, whole and in order")
    func wholePcap() throws {
        try withTemporaryDirectory { directory in
            let script = try DumpScript(directory.path + "/c", .pcap)
            script.exchange()
            let file = try contents(directory.path + "/c")
            let found = try #require(pcap(file))
            #expect(
                found.longest == 65536 && found.records == Self.all.map { Record(bytes: $0.bytes, length: $0.length) })
            #expect(script.dump.frames == 5)
        }
    }

    @Test("a pcapng file holds them with their directions")
    func wholePcapng() throws {
        try withTemporaryDirectory { directory in
            let script = try DumpScript(directory.path + "/c", .pcapng)
            script.exchange()
            let file = try contents(directory.path + "/c")
            #expect(pcapng(file) == Self.all)
        }
    }

    @Test("a direction is seen from the back-end: rx is what the card sends, tx what the netdev sends")
    func directions() throws {
        try withTemporaryDirectory { directory in
            for (direction, remainder) in [(FrameDump.Direction.rx, 0), (.tx, 1)] {
                let script = try DumpScript(directory.path + "/c", .pcapng, direction: direction)
                script.exchange()
                let file = try contents(directory.path + "/c")
                let expected = Self.all.enumerated().filter { $0.offset % 2 == remainder }.map(\.element)
                #expect(pcapng(file) == expected && Int(script.dump.frames) == expected.count)
            }
        }
    }

    @Test(
        "no more than `longest` bytes of a frame are kept; its length is told",
        arguments: [1, 60, 61, 1000] as [UInt32])
    func longest(longest: UInt32) throws {
        try withTemporaryDirectory { directory in
            for format in [CaptureFormat.pcap, .pcapng] {
                let script = try DumpScript(directory.path + "/c", format, longest: longest)
                script.exchange()
                let file = try contents(directory.path + "/c")
                let records = try #require(format == .pcap ? pcap(file)?.records : pcapng(file))
                #expect(records.map(\.bytes) == Self.all.map { Array($0.bytes.prefix(Int(longest))) })
                #expect(records.map(\.length) == Self.lengths)
            }
        }
    }

    @Test("a capture that is switched off lets frames pass unseen")
    func off() throws {
        try withTemporaryDirectory { directory in
            let script = try DumpScript(directory.path + "/c", .pcap)
            script.dump.isOn = false
            script.exchange()
            script.dump.isOn = true
            #expect(script.link.send([testFrame(60, 9)], from: .card) == 1)
            script.turnOver()
            let file = try contents(directory.path + "/c")
            #expect(pcap(file)?.records == [Record(bytes: testFrame(60, 9), length: 60)])
        }
    }

    @Test("a file that was there is emptied; without frames its header is all, once the turn is over")
    func emptied() throws {
        try withTemporaryDirectory { directory in
            try SmallFile.write([UInt8](repeating: 7, count: 100), to: directory.path + "/c")
            let script = try DumpScript(directory.path + "/c", .pcap)
            script.turnOver()
            #expect(try contents(directory.path + "/c").count == 24)
            withExtendedLifetime(script) {}
        }
    }

    @Test("a good deal of frames is written before the turn is over")
    func muchAtOnce() throws {
        try withTemporaryDirectory { directory in
            let script = try DumpScript(directory.path + "/c", .pcap)
            for number in 0..<400 { #expect(script.link.send([testFrame(1514, number)], from: .card) == 1) }
            #expect(try contents(directory.path + "/c").count > 256 << 10)
            script.turnOver()
            let file = try contents(directory.path + "/c")
            #expect(pcap(file)?.records.map(\.bytes) == (0..<400).map { testFrame(1514, $0) })
        }
    }

    @Test("what was captured is in the file when the capture goes, also in the middle of a turn")
    func last() throws {
        try withTemporaryDirectory { directory in
            do {
                let script = try DumpScript(directory.path + "/c", .pcap)
                #expect(script.link.send([testFrame(60)], from: .card) == 1)
                script.link.remove(script.dump)
            }
            let file = try contents(directory.path + "/c")
            #expect(pcap(file)?.records.count == 1)
        }
    }

    @Test("a full disk ends the capture with one error, and the traffic goes on")
    func fullDisk() throws {
        let script = try DumpScript("/dev/full", .pcap)
        var failures: [SystemError] = []
        script.dump.onFailure = { failures.append($0) }
        for _ in 0..<3 { script.exchange() }
        #expect(failures == [SystemError(call: "write", code: ENOSPC)])
        #expect(script.netdev.frames.count == 9 && script.card.frames.count == 6)
    }

    @Test("a capture is for its owner's eyes")
    func mode() throws {
        try withTemporaryDirectory { directory in
            let script = try DumpScript(directory.path + "/c", .pcap)
            var status = stat()
            #expect(stat(directory.path + "/c", &status) == 0 && status.st_mode & 0o777 == 0o600)
            withExtendedLifetime(script) {}
        }
    }

    @Test("a FIFO without a reader is an error at once")
    func deafFIFO() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/fifo"
            #expect(mkfifo(path, 0o600) == 0)
            #expect(throws: SystemError(call: "open", code: ENXIO, subject: path)) { _ = try DumpScript(path, .pcap) }
        }
    }

    @Test("a pipe whose reader is late loses whole frames, which are counted, and holds nobody up")
    func lateReader() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/fifo"
            #expect(mkfifo(path, 0o600) == 0)
            let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(reader) }
            let script = try DumpScript(path, .pcap)
            var told: [UInt64] = []
            script.dump.onLoss = { told.append($0) }
            for number in 0..<2000 {
                #expect(script.link.send([testFrame(1514, number)], from: .card) == 1)
                script.turnOver()
            }
            #expect(script.netdev.frames.count == 2000 && told == [0])
            // What the pipe and the buffer held, and nothing that was cut.
            var read: [UInt8] = []
            var room = [UInt8](repeating: 0, count: 1 << 16)
            for _ in 0..<64 {
                let count = Glibc.read(reader, &room, room.count)
                if count > 0 { read += room[..<count] }
                script.turnOver()
            }
            let lost = 2000 - Int(script.dump.frames)
            #expect(lost > 0 && told == [0, UInt64(lost)])
            #expect(script.link.send([testFrame(60, 7)], from: .card) == 1)
            script.turnOver()
            let count = Glibc.read(reader, &room, room.count)
            read += room[..<max(0, count)]
            let records = try #require(pcap(read)?.records)
            #expect(records.count == Int(script.dump.frames) && records.last?.bytes == testFrame(60, 7))
        }
    }

    @Test("a file that cannot be made is an error with its name")
    func noFile() {
        #expect(throws: SystemError(call: "open", code: ENOENT, subject: "/nowhere/c")) {
            _ = try DumpScript("/nowhere/c", .pcap)
        }
    }

    private static let tcpdump = Peers.system("tcpdump")

    @Test("tcpdump reads both formats", .enabled(if: tcpdump.isThere, "tcpdump is missing"))
    func readByTcpdump() throws {
        let program = try Self.tcpdump.require()
        try withTemporaryDirectory { directory in
            for format in [CaptureFormat.pcap, .pcapng] {
                let script = try DumpScript(directory.path + "/c", format)
                script.exchange()
                let child = try Child([program, "-nr", directory.path + "/c"])
                #expect(try child.wait() == .exited(0), "\(child.transcript)")
                #expect(child.output.split(separator: "\n").filter { !$0.hasPrefix("\t") }.count == 5)
            }
        }
    }
}
