// The internet checksum against RFC 1071's example, known packets and a slow reference.

import Bytes
import Testing

/// The definition, word by word.
private func reference(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    var index = 0
    while index < bytes.count {
        let low = index + 1 < bytes.count ? bytes[index + 1] : 0
        sum += UInt32(bytes[index]) << 8 | UInt32(low)
        sum = (sum & 0xffff) + (sum >> 16)
        index += 2
    }
    return ~UInt16(sum)
}

private func random(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
}

@Suite struct InternetChecksumTests {
    @Test("RFC 1071, 3: the worked example sums to ddf2")
    func rfcExample() {
        let bytes: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
        bytes.withUnsafeBytes { #expect(InternetChecksum.checksum(of: $0) == ~0xddf2) }
    }

    @Test("an IPv4 header with its checksum in it sums to ffff")
    func header() {
        let bytes: [UInt8] = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00,  // version, length 115, DF
            0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01,  // TTL 64, UDP, checksum b861, 192.168.0.1
            0xc0, 0xa8, 0x00, 0xc7,  // 192.168.0.199
        ]
        var sum = InternetChecksum()
        bytes.withUnsafeBytes { sum.add($0) }
        #expect(sum.sum == 0xffff)
        #expect(sum.checksum == 0)
    }

    @Test("every length from 0 to 300 agrees with the definition, also when misaligned")
    func lengths() {
        var generator = SeededGenerator(seed: 1)
        for count in 0...300 {
            let bytes = random(count + 3, &generator)
            for shift in 0...3 {
                let expected = reference(Array(bytes[shift..<shift + count]))
                bytes.withUnsafeBytes {
                    #expect(InternetChecksum.checksum(of: .init(rebasing: $0[shift..<shift + count])) == expected)
                }
            }
        }
    }

    @Test("all ones of 64 KiB do not lose a carry")
    func carries() {
        let bytes = [UInt8](repeating: 0xff, count: 65536)
        bytes.withUnsafeBytes { #expect(InternetChecksum.checksum(of: $0) == 0) }
    }

    @Test("spans cut anywhere, odd ones too, give the sum of the whole")
    func scattered() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<200 {
            let bytes = random(Int.random(in: 0...500, using: &generator), &generator)
            var sum = InternetChecksum()
            var at = 0
            bytes.withUnsafeBytes { whole in
                while at < whole.count {
                    let part = Int.random(in: 0...min(70, whole.count - at), using: &generator)
                    sum.add(.init(rebasing: whole[at..<at + part]))
                    at += part
                }
            }
            #expect(sum.checksum == reference(bytes))
        }
    }

    @Test("copying sums what it copies and touches nothing behind it")
    func copying() {
        var generator = SeededGenerator(seed: 3)
        for count in [0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 257, 1500] {
            let bytes = random(count, &generator)
            var room = [UInt8](repeating: 0xaa, count: count + 8)
            var sum = InternetChecksum()
            bytes.withUnsafeBytes { source in room.withUnsafeMutableBytes { sum.copy(source, into: $0) } }
            #expect(Array(room[0..<count]) == bytes)
            #expect(room[count...].allSatisfy { $0 == 0xaa })
            #expect(sum.checksum == reference(bytes))
        }
    }

    @Test("copying into less room stops at its end")
    func copyingShort() {
        let bytes: [UInt8] = Array(0..<100)
        var room = [UInt8](repeating: 0, count: 41)
        var sum = InternetChecksum()
        bytes.withUnsafeBytes { source in room.withUnsafeMutableBytes { sum.copy(source, into: $0) } }
        #expect(room == Array(0..<41))
        #expect(sum.checksum == reference(room))
    }

    @Test("numbers count as their bytes on the wire")
    func numbers() {
        var sum = InternetChecksum()
        sum.add(word: 0x1234)
        sum.add(long: 0xc0a8_0001)
        #expect(sum.checksum == reference([0x12, 0x34, 0xc0, 0xa8, 0x00, 0x01]))
    }

    @Test("RFC 1624, 4: the update that equation 2 gets wrong is right, and random ones agree")
    func update() {
        #expect(InternetChecksum.update(0xdd2f, old: 0x5555, new: 0x3285) == 0x0000)
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<500 {
            var bytes = random(40, &generator)
            let before = reference(bytes)
            let at = 2 * Int.random(in: 0..<20, using: &generator)
            let old = UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
            let new = UInt16.random(in: 0...0xffff, using: &generator)
            bytes[at] = UInt8(new >> 8)
            bytes[at + 1] = UInt8(new & 0xff)
            #expect(InternetChecksum.update(before, old: old, new: new) == reference(bytes))
        }
    }
}
