import Bytes
import Testing

@testable import Migration

@Suite("the migration stream")
struct StreamTests {
    private static let now = Instant(nanoseconds: 5)

    /// A whole snapshot, small.
    private static func stream() -> (bytes: [UInt8], memory: TestMemory) {
        var script = Script()
        script.mode = .snapshot
        script.sections = [MigrationSection(name: "node", bytes: [1, 2, 3])]
        script.arrivals = [.saving: [ArrivedFrame(card: "net0", bytes: [9, 9])]]
        let world = World(script, pages: 4)
        world.memory.onTake = { memory, take in
            guard take == 1 else { return }
            memory.zero(3..<4)
            memory.dirty.insert(3..<4)
        }
        world.run()
        return (world.stream, world.memory)
    }

    private func end(of stream: some Collection<UInt8>) -> (failure: MigrationFailure?, started: Bool) {
        let destination = MigrationDestination(
            World.greeting(), pages: TestMemory(pages: 4), answers: false, now: Self.now)
        var started = false
        feed(destination, stream, now: Self.now) { if $0 == .start { started = true } }
        #expect(destination.isOver)
        #expect(started == destination.ownsGuest)
        return (destination.failure, started)
    }

    @Test("the checksum is CRC-32C")
    func checksum() {
        var crc = CRC32C()
        Array("123456789".utf8).withUnsafeBytes { crc.add($0) }
        #expect(crc.checksum == 0xe306_9283)
        // RFC 3720, appendix B.4: 32 bytes of zeros, and 32 bytes that count up; in pieces.
        var zeros = CRC32C()
        [UInt8](repeating: 0, count: 32).withUnsafeBytes { zeros.add($0) }
        #expect(zeros.checksum == 0x8a91_36aa)
        for cut in 0...32 {
            var counting = CRC32C()
            (0..<32).map { UInt8($0) }.withUnsafeBytes { bytes in
                counting.add(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
                counting.add(UnsafeRawBufferPointer(rebasing: bytes[cut...]))
            }
            #expect(counting.checksum == 0x46dd_794e)
        }
    }

    @Test("a stream that ends anywhere but at its end starts nothing")
    func truncations() {
        let (whole, _) = Self.stream()
        #expect(end(of: whole).started)
        for length in 0..<whole.count {
            let (failure, started) = end(of: whole[..<length])
            guard !started, failure == .closed else {
                Issue.record("\(length) bytes: \(String(describing: failure))")
                return
            }
        }
    }

    @Test("ten thousand changed streams start nothing, and each has its sentence")
    func mutations() {
        let (whole, _) = Self.stream()
        var generator = SeededGenerator(seed: 77)
        for _ in 0..<10_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &generator) { Self.mutate(&bytes, &generator) }
            guard bytes != whole else { continue }
            let (failure, started) = end(of: bytes)
            // Bytes behind COMMIT mean nothing.
            guard started else {
                #expect(failure?.description.isEmpty == false)
                continue
            }
            #expect(bytes.starts(with: whole))
        }
    }

    private static func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let at = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes[at] = UInt8.random(in: 0...255, using: &generator)
        case 2: bytes.remove(at: at)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: at)
        default:
            let end = min(bytes.count, at + Int.random(in: 1...100, using: &generator))
            bytes.insert(contentsOf: Array(bytes[at..<end]), at: at)
        }
    }

    @Test("frames with right checksums and wrong contents are refused")
    func lies() {
        let (whole, _) = Self.stream()
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var bytes = whole
            let frames = Self.frames(of: whole)
            guard let frame = frames.randomElement(using: &generator) else { return }
            let at = Int.random(in: frame, using: &generator)
            guard at >= frame.lowerBound + 12 || at < frame.lowerBound + 8 else { continue }
            bytes[at] = UInt8.random(in: 0...255, using: &generator)
            Self.seal(&bytes, frame)
            // What the guest is told may differ; nothing traps, and it is over.
            _ = end(of: bytes)
        }
    }

    /// Where the frames lie, by their lengths.
    static func frames(of stream: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var at = Preamble.size
        while at + 12 <= stream.count {
            let end = at + 12 + stream[at + 4..<at + 8].reduce(0) { $0 << 8 | Int($1) }
            guard end <= stream.count else { break }
            found.append(at..<end)
            at = end
        }
        return found
    }

    static func seal(_ bytes: inout [UInt8], _ frame: Range<Int>) {
        var crc = CRC32C()
        bytes.withUnsafeBytes { all in
            crc.add(UnsafeRawBufferPointer(rebasing: all[frame.lowerBound..<frame.lowerBound + 8]))
            crc.add(UnsafeRawBufferPointer(rebasing: all[frame.lowerBound + 12..<frame.upperBound]))
        }
        for index in 0..<4 {
            bytes[frame.lowerBound + 8 + index] = UInt8(truncatingIfNeeded: crc.checksum >> UInt32(24 - 8 * index))
        }
    }

    @Test("another version is named by its number, and so is another protocol")
    func versions() {
        var (bytes, _) = Self.stream()
        bytes[9] = 2
        #expect(end(of: bytes).failure == .stream(.format(2)))
        #expect("\(StreamFault.format(2))" == "the stream has version 2; this program reads version 1")
        #expect(end(of: Array("garbage\n".utf8)).failure?.description == "unknown channel magic: 1734439522")
        #expect(end(of: Preamble(isFromSource: false).bytes).failure == .stream(.direction))
    }

    @Test("a gigabyte of length is refused with its header, and nothing is kept for it")
    func gigabyte() {
        let (whole, _) = Self.stream()
        for frame in Self.frames(of: whole) {
            var bytes = Array(whole[..<frame.upperBound])
            bytes[frame.lowerBound + 4] = 0x40
            Self.seal(&bytes, frame)
            let kind = bytes[frame.lowerBound]
            let length = UInt32(0x4000_0000 | (frame.count - 12))
            #expect(end(of: bytes).failure == .stream(.length(kind: kind, length)))
        }
        let destination = MigrationDestination(
            World.greeting(), pages: TestMemory(pages: 4), answers: false, now: Self.now)
        let writer = FrameWriter()
        writer.append(raw: Preamble(isFromSource: true).bytes)
        writer.append(.greeting, World.greeting().encoded ?? [])
        let head = SectionHead(MigrationSection(name: "x", bytes: [])).encoded
        writer.append(.section, head.dropLast(4) + [0x40, 0, 0, 0])
        feed(destination, Array(writer.pending), now: Self.now)
        #expect(destination.failure?.description.contains("the length of a section") == true)
    }

    @Test("pages outside of memory, and zero pages that wrap, are refused")
    func outside() {
        let runs: [(UInt64, UInt64)] = [(4, 1), (0, 5), (3, 2), (.max, 2), (1, .max), (0, 0), (1 << 40, 1)]
        for (first, count) in runs {
            let destination = MigrationDestination(
                World.greeting(), pages: TestMemory(pages: 4), answers: false, now: Self.now)
            let writer = FrameWriter()
            writer.append(raw: Preamble(isFromSource: true).bytes)
            writer.append(.greeting, World.greeting().encoded ?? [])
            var body = StateEncoder()
            body.integer(first)
            body.integer(count)
            writer.append(.zeroPages, body.bytes)
            feed(destination, Array(writer.pending), now: Self.now)
            #expect(destination.failure == .stream(.content("pages \(first) + \(count) of 4")))
        }
    }

    /// How a destination of four pages ends that hears these frames behind a greeting.
    private func failure(after frames: (FrameWriter) -> Void) -> MigrationFailure? {
        let destination = MigrationDestination(
            World.greeting(), pages: TestMemory(pages: 4), answers: false, now: Self.now)
        let writer = FrameWriter()
        writer.append(raw: Preamble(isFromSource: true).bytes)
        writer.append(.greeting, World.greeting().encoded ?? [])
        frames(writer)
        feed(destination, Array(writer.pending), now: Self.now)
        return destination.failure
    }

    @Test("a round that ends behind the first section is refused")
    func lateRound() {
        let head = SectionHead(MigrationSection(name: "x", bytes: [])).encoded
        let round = [UInt8](repeating: 0, count: 12)
        #expect(failure { $0.append(.roundEnd, round) } == .closed)
        let late = failure {
            $0.append(.section, head)
            $0.append(.roundEnd, round)
        }
        #expect(late == .stream(.unexpected(kind: 4)))
    }

    @Test("a part of a section that is not full is the last one")
    func shortPart() {
        let (full, more) = (FrameKind.sectionPartLimit, 10)
        let head = SectionHead(MigrationSection(name: "x", bytes: [UInt8](repeating: 1, count: full + more))).encoded
        func failure(_ parts: [Int]) -> MigrationFailure? {
            self.failure { writer in
                writer.append(.section, head)
                for count in parts { writer.append(.sectionPart, [UInt8](repeating: 1, count: count)) }
            }
        }
        #expect(failure([full, more]) == .closed && failure([full]) == .closed)
        for parts in [[1], [full - 1], [more, full], [full, more - 1]] {
            #expect(failure(parts)?.description.contains("a part of a section") == true, "\(parts)")
        }
        #expect(failure([full, more + 1])?.description.contains("more of a section") == true)
    }

    @Test("words of the other end do nothing to a terminal")
    func control() {
        Array("a\u{1b}[2Jb\nc".utf8).withUnsafeBytes { #expect("\(MigrationFailure.said($0))" == "a?[2Jb?c") }
    }

    @Test("sets of pages hold what a list of booleans holds")
    func pageSets() {
        var generator = SeededGenerator(seed: 5)
        for size in [1, 63, 64, 65, 200, 1000] {
            var set = PageSet(pageCount: size)
            var list = [Bool](repeating: false, count: size)
            for _ in 0..<300 {
                let first = Int.random(in: 0..<size, using: &generator)
                let run = first..<Int.random(in: first...size + 3, using: &generator)
                let isIn = Bool.random(using: &generator)
                if isIn { set.insert(run) } else { set.remove(run) }
                for page in run where page < size { list[page] = isIn }
                #expect(set.count == list.count { $0 })
                let start = Int.random(in: 0..<size, using: &generator)
                let expected = list[start...].firstIndex(of: true)
                let found = set.run(from: start, limit: 10)
                #expect(found?.lowerBound == expected)
                if let found {
                    #expect(list[found].allSatisfy { $0 } && found.count <= 10)
                    #expect(found.count == 10 || found.upperBound == size || !list[found.upperBound])
                }
            }
        }
    }
}
