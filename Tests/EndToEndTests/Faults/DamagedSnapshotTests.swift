// A real snapshot that has been damaged: whoever is to go on with it says one line, asks for no memory on its word, and ends
// with status 1.

import Glibc
import Linux
import TestSupport
import Testing

/// A frame of the stream (docs/migration-format.md).
struct SnapshotFrame {
    static let headerSize = 12
    let kind: UInt8
    /// With its header.
    let range: Range<Int>
    var body: Range<Int> { range.lowerBound + Self.headerSize..<range.upperBound }

    /// All frames of a stream, behind its preamble.
    static func all(of bytes: [UInt8]) -> [SnapshotFrame] {
        var frames: [SnapshotFrame] = []
        var place = headerSize
        while place + headerSize <= bytes.count {
            let length = bytes[place + 4..<place + 8].reduce(0) { $0 << 8 | Int($1) }
            frames.append(SnapshotFrame(kind: bytes[place], range: place..<place + headerSize + length))
            place += headerSize + length
        }
        return frames
    }
}

/// What has become of it.
struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    let says: String
    let change: @Sendable (inout [UInt8], [SnapshotFrame]) throws -> Void
    var testDescription: String { name }

    private static func first(_ kind: UInt8, _ frames: [SnapshotFrame]) throws -> SnapshotFrame {
        try #require(frames.first { $0.kind == kind })
    }

    private static func gigabyte(_ name: String, kind: UInt8) -> Damage {
        Damage(name: "\(name) of one GiB", says: "a frame of kind \(kind) has 1073741824 bytes") { bytes, frames in
            let start = try first(kind, frames).range.lowerBound
            bytes.replaceSubrange(start + 4..<start + 8, with: [0x40, 0, 0, 0])
        }
    }

    private static func bit(_ name: String, kind: UInt8) -> Damage {
        Damage(name: "a bit of \(name)", says: "the checksum of a frame of kind \(kind) is wrong") { bytes, frames in
            bytes[try first(kind, frames).body.lowerBound] ^= 0x10
        }
    }

    private static func cut(
        _ name: String, _ place: @escaping @Sendable ([SnapshotFrame]) throws -> Int
    ) -> Damage {
        Damage(name: name, says: "closed the connection") { bytes, frames in
            bytes.removeSubrange(try place(frames)...)
        }
    }

    static let all: [Damage] = [
        gigabyte("a greeting", kind: 1), gigabyte("pages", kind: 2), gigabyte("a section", kind: 5),
        gigabyte("a part of a section", kind: 6),
        bit("the greeting", kind: 1), bit("a page", kind: 2), bit("a section's name", kind: 5),
        bit("a section", kind: 6),
        Damage(name: "a frame is missing", says: "where frame 1 belongs") { bytes, frames in
            bytes.removeSubrange(frames[1].range)
        },
        cut("nothing") { _ in 0 },
        cut("the preamble alone") { _ in SnapshotFrame.headerSize },
        cut("no more than the greeting") { $0[0].range.upperBound },
        cut("half a page") { try first(2, $0).body.lowerBound + 2000 },
        cut("half a header") { try first(5, $0).range.lowerBound + 6 },
        cut("not the last byte") { try #require($0.last).range.upperBound - 1 },
    ]
}

@Suite("a snapshot that was damaged", .serialized)
struct DamagedSnapshotTests {
    private func write(_ bytes: [UInt8], to path: String) throws {
        let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { close(fd) }
        try #require(fd >= 0 && bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) } == bytes.count)
    }

    @Test("one line and status 1, whatever has become of it; the undamaged one goes on")
    func damaged() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/snapshot"
            let words = ["-netdev", "hubport,id=h,hubid=0", "-device", "virtio-net-pci,netdev=h", "-m", "16"]
            let here = try ground.session(words: words)
            #expect(try here.run("echo here").status == 0)
            #expect(try here.lines("migrate file:\(path)") == [], "\(here.child.transcript)")
            try here.quit()
            let whole = try SmallFile.read(path, limit: 64 << 20)
            let frames = SnapshotFrame.all(of: whole)
            for damage in Damage.all {
                var bytes = whole
                try damage.change(&bytes, frames)
                try write(bytes, to: path + ".damaged")
                let netemu = try ground.startInLittleSpace(
                    words + ["-monitor", "none", "-incoming", "file:\(path).damaged"])
                #expect(try netemu.wait() == .exited(1), "\(damage.name): \(netemu.transcript)")
                let lines = netemu.errors.split(separator: "\n").filter { !$0.contains("warning:") }
                #expect(
                    lines.count == 1 && netemu.errors.contains(damage.says), "\(damage.name): \(netemu.transcript)")
            }
            let there = try ground.session(words: words + ["-incoming", "file:\(path)"])
            #expect(try eventually { try there.lines("info status") == ["VM status: running"] })
            #expect(try there.run("echo there").status == 0)
            try there.quit()
            #expect(ground.leftovers == [])
        }
    }
}
