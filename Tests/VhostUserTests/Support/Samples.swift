// Values for tests: one message of every kind, descriptors to travel with them, a seeded generator.

import Bytes
import Glibc
import Linux

@testable import VhostUser

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// Bytes from hex digits; spaces and line ends do not count, a `#` starts a comment to the end of its line.
func hex(_ text: String) -> [UInt8] {
    let digits = text.split(separator: "\n").flatMap { $0.prefix { $0 != "#" } }.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Descriptors that are open and otherwise of no use.
func openDescriptors(_ count: Int) -> [SharedDescriptor] {
    (0..<count).map { _ in SharedDescriptor(FileDescriptor(owning: open("/dev/null", O_RDONLY | O_CLOEXEC))) }
}

/// What a receiver would hand over for these bytes.
func received(_ bytes: [UInt8], as direction: MessageHeader.Direction, descriptors: Int = 0) throws -> ReceivedMessage?
{
    var receiver = MessageReceiver(receiving: direction)
    let header = Array(bytes.prefix(MessageHeader.byteCount))
    let whole = try header.withUnsafeBytes { try receiver.take($0, descriptors: openDescriptors(descriptors)) }
    if let whole { return whole }
    return try Array(bytes.dropFirst(MessageHeader.byteCount)).withUnsafeBytes { try receiver.take($0) }
}

enum Samples {
    static func region(_ start: UInt64 = 0x1000) throws -> MemoryRegionDescription {
        try MemoryRegionDescription(
            guestPhysical: start, size: 0x2000, userAddress: 0x7000_0000_0000 + start, fileOffset: start)
    }

    static func payload(_ shape: PayloadShape) throws -> Payload {
        switch shape {
        case .empty: .empty
        case .u64: .u64(0x1122_3344_5566_7788)
        case .vringState: .vringState(VringState(index: 1, num: 256))
        case .vringAddress:
            .vringAddress(
                VringAddress(
                    index: 1, isLogged: true, areas: (descriptorTable: 0x10, availRing: 0x20, usedRing: 0x30),
                    logAddress: 0x40))
        case .vringDescriptor: .vringDescriptor(VringDescriptor(index: 3))
        case .vringArea: .vringArea(VringArea(ring: VringDescriptor(index: 2), size: 4096, offset: 8192))
        case .memoryTable: .memoryTable(try MemoryTable([region(), region(0x10000)]))
        case .memoryRegion: .memoryRegion(try region())
        case .log: .log(try LogRegion(size: 8192, offset: 4096))
        case .inflight: .inflight(InflightRegion(size: 1, offset: 2, queueCount: 3, queueSize: 4))
        case .stateTransfer: .stateTransfer(.load)
        case .translation:
            .translation(
                TranslationMessage(ioAddress: 1, size: 2, userAddress: 3, permission: .readWrite, kind: .update))
        case .configuration: .configuration(try ConfigurationWindow(offset: 6, bytes: [1, 2, 3]))
        case .sharedObject: .sharedObject(try SharedObjectIdentifier(Array(1...16)))
        case .sharedMemoryMapping:
            .sharedMemoryMapping(
                try SharedMemoryMapping(region: 7, fileOffset: 1, regionOffset: 2, length: 3, isWritable: true))
        case .sharedMemoryConfiguration: .sharedMemoryConfiguration(SharedMemoryConfiguration(sizes: [0, 4096]))
        case .opaque: .opaque([9, 8, 7])
        }
    }

    /// One message per structure that each request of a channel may carry, with and without NEED_REPLY.
    static func messages<Number: RequestNumber & CaseIterable>(_: Number.Type) throws -> [RequestMessage<Number>] {
        var all: [RequestMessage<Number>] = []
        for request in Number.allCases {
            for shape in request.rule.payload {
                let payload = try payload(shape)
                var descriptors = request.rule.descriptors.upperBound
                if case .memoryTable(let table) = payload { descriptors = table.regions.count }
                for needsReply in [false, true] {
                    all.append(RequestMessage(request, payload, descriptors: descriptors, needsReply: needsReply))
                }
            }
        }
        return all
    }
}
