// The virtio-net header: golden bytes, both directions, and what is believed of it (RV-23).

import Bytes
import Link
import Testing
import Virtio

struct NetHeaderTests {
    static let all = NetFeature.known | NetFeature.hostUFO

    private func bytes(_ header: NetHeader) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: NetHeader.size, alignment: 1) { room in
            room.baseAddress.map { header.write(to: $0) }
            return Array(room)
        }
    }

    @Test("golden bytes of a TCP segment to be cut")
    func golden() {
        let header = NetHeader(
            Offload(
                pendingChecksum: .init(start: 34, offset: 16), isChecksumValid: false, segmentation: .tcp4,
                segmentSize: 1448))
        let expected: [UInt8] = [
            1,  // flags: NEEDS_CSUM
            1,  // gso_type: TCPv4
            0, 0,  // hdr_len: a hint nobody needs
            0xa8, 0x05,  // gso_size 1448
            34, 0,  // csum_start
            16, 0,  // csum_offset
            0, 0,  // num_buffers: 0 from a driver
        ]
        #expect(bytes(header) == expected)
        #expect(expected.withUnsafeBytes { $0.baseAddress.map { NetHeader(copying: $0) } } == header)
    }

    @Test("any twelve bytes survive parse and write", arguments: 0..<50)
    func roundTrip(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let source = (0..<13).map { _ in UInt8.random(in: 0...255, using: &random) }
        // From an odd address, too: a header need not be aligned.
        let parsed = source.withUnsafeBytes { $0.baseAddress.map { NetHeader(copying: $0 + 1) } }
        #expect(parsed.map(bytes) == Array(source[1...]))
    }

    @Test("offload facts survive the header in both directions")
    func offload() throws {
        for offload in [
            Offload(), Offload(isChecksumValid: true), Offload(pendingChecksum: .init(start: 34, offset: 6)),
            Offload(pendingChecksum: .init(start: 54, offset: 16), segmentation: .tcp6, segmentSize: 1428),
            Offload(pendingChecksum: .init(start: 34, offset: 16), segmentation: .tcp4ECN, segmentSize: 1448),
            Offload(pendingChecksum: .init(start: 54, offset: 16), segmentation: .tcp6ECN, segmentSize: 1428),
        ] {
            for direction in [NetDirection.toDevice, .toDriver] {
                let back = try NetHeader(offload).offload(frame: 1500, features: Self.all, direction: direction)
                #expect(back == offload)
            }
        }
    }

    @Test("RV-23: a header that lies about its frame is not believed")
    func lies() {
        func verdict(_ change: (inout NetHeader) -> Void, features: UInt64 = Self.all) -> NetHeaderError? {
            var header = NetHeader(Offload(pendingChecksum: .init(start: 34, offset: 16)))
            change(&header)
            do { _ = try header.offload(frame: 52, features: features, direction: .toDevice) } catch { return error }
            return nil
        }
        #expect(verdict { _ in } == nil)
        #expect(verdict { $0.checksumStart = 35 } == .checksum(start: 35, offset: 16, frame: 52))
        #expect(verdict { ($0.checksumStart, $0.checksumOffset) = (.max, .max) } != nil)
        #expect(verdict({ _ in }, features: NetFeature.version1) == .checksumNotNegotiated)
        #expect(verdict { ($0.segmentationType, $0.segmentSize) = (1, 0) } == .segmentSize(0))
        #expect(verdict { ($0.flags, $0.segmentationType, $0.segmentSize) = (0, 1, 1448) } == .segmentSize(1448))
        for type in [2, 3, 5, 6, 7, 0x7f, 0x80, 0x85] as [UInt8] {
            #expect(verdict { ($0.segmentationType, $0.segmentSize) = (type, 1448) } == .segmentation(type: type))
        }
        let noSegmentation = NetFeature.checksum | NetFeature.version1
        #expect(
            verdict({ ($0.segmentationType, $0.segmentSize) = (1, 9) }, features: noSegmentation)
                == .segmentation(type: 1))
        #expect(
            verdict({ ($0.segmentationType, $0.segmentSize) = (0x81, 9) }, features: Self.all & ~NetFeature.hostECN)
                == .segmentation(type: 0x81))
    }

    @Test("the two directions ask for their own feature bits")
    func directions() {
        let header = NetHeader(Offload(pendingChecksum: .init(start: 34, offset: 16)))
        #expect(throws: NetHeaderError.checksumNotNegotiated) {
            _ = try header.offload(frame: 60, features: NetFeature.checksum, direction: .toDriver)
        }
        #expect(throws: NetHeaderError.checksumNotNegotiated) {
            _ = try header.offload(frame: 60, features: NetFeature.guestChecksum, direction: .toDevice)
        }
    }
}
