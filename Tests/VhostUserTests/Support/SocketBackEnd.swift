// A back-end behind a real socket, in the test's own process, turned by hand. Its answers come from a
// `ScriptedBackEnd`; its rings are real: it takes descriptors and addresses from the messages alone and
// works on guest memory with the device's side of a split ring.

import CLinux
import Glibc
import Linux
import Virtio

@testable import VhostUser

final class SocketBackEnd {
    /// What a ring knows from messages.
    struct Ring {
        var size: UInt32 = 0
        var base: UInt32 = 0
        var address: VringAddress?
        var kick: SharedDescriptor?
        var call: SharedDescriptor?
        var error: SharedDescriptor?
        var isEnabled = false
    }

    var script: ScriptedBackEnd
    private(set) var rings: [Int: Ring] = [:]
    private(set) var regions: [MemoryRegionDescription] = []
    /// The channel of SET_BACKEND_REQ_FD.
    private(set) var channel: SharedDescriptor?
    private(set) var isOver = false
    /// The work on the rings, made when both are started.
    private(set) var responder: EchoResponder?
    var configureResponder: (EchoResponder) -> Void = { _ in }
    /// What GET_VRING_BASE says of ring 0, whatever the truth.
    var claimedBase: UInt32?
    /// Bytes of each write, to send answers in pieces.
    var pieceSize = Int.max

    /// What SET_DEVICE_STATE_FD gave it; closed by the test.
    var stateEnd: SharedDescriptor?

    private let socket: FileDescriptor
    private var receiver = MessageReceiver(receiving: .requests)
    private let memory: GuestMemory
    private var features: UInt64 = 0
    private var waiting: [UInt8] = []

    /// - Parameter memory: what the descriptors in the messages must turn out to be.
    init(_ script: ScriptedBackEnd, socket: consuming FileDescriptor, memory: GuestMemory) {
        self.script = script
        self.memory = memory
        _ = ne_set_nonblocking(socket.raw, 1)
        self.socket = socket
    }

    /// Takes what there is and answers; then works on the rings. True when anything was done.
    @discardableResult
    func turn(workOnRings: Bool = true) throws -> Bool {
        var didWork = false
        while let message = try receive() {
            didWork = true
            try apply(message)
        }
        didWork = flush() || didWork
        if workOnRings, !isOver, let responder { didWork = responder.turn() || didWork }
        return didWork
    }

    /// Writes bytes that no script asked for.
    func inject(_ bytes: [UInt8], descriptors: [CInt] = []) {
        var vector = iovec()
        _ = bytes.withUnsafeBytes { raw in
            vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: raw.baseAddress), iov_len: raw.count)
            return ne_send_fds(socket.raw, &vector, 1, descriptors, descriptors.count, 0)
        }
    }

    // MARK: the socket

    private func receive() throws -> ReceivedMessage? {
        while !isOver {
            var room = [UInt8](repeating: 0, count: receiver.needed)
            var numbers = [CInt](repeating: -1, count: Int(NE_MAX_FDS))
            var count = numbers.count
            var isTruncated: CInt = 0
            let size = room.withUnsafeMutableBytes { raw in
                var vector = iovec(iov_base: raw.baseAddress, iov_len: raw.count)
                return ne_receive_fds(socket.raw, &vector, 1, &numbers, &count, &isTruncated, CInt(MSG_DONTWAIT))
            }
            let descriptors = numbers.prefix(count).map { SharedDescriptor(FileDescriptor(owning: $0)) }
            if size == -Int(EAGAIN) { return nil }
            guard size > 0 else {
                isOver = true
                return nil
            }
            let message = try room.prefix(size).withUnsafeBytes {
                try receiver.take($0, descriptors: descriptors, areDescriptorsLost: isTruncated != 0)
            }
            if let message { return message }
        }
        return nil
    }

    private func apply(_ received: ReceivedMessage) throws {
        let message = try Message(parsing: received)
        try remember(message, received.descriptors)
        waiting += script.handle(message)
        if script.isOver {
            _ = flush()
            isOver = true
            shutdown(socket.raw, CInt(SHUT_RDWR))
        }
    }

    /// Sends waiting answers, one piece per turn when they are cut; a full socket buffer keeps the rest.
    private func flush() -> Bool {
        guard !waiting.isEmpty, !isOver else { return false }
        let piece = Array(waiting.prefix(pieceSize))
        let sent = send(socket.raw, piece, piece.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
        if sent > 0 { waiting.removeFirst(sent) }
        return sent > 0
    }

    // MARK: what messages say

    private func remember(_ message: Message, _ descriptors: [SharedDescriptor]) throws {
        switch (message.request, message.payload) {
        case (.setFeatures, .u64(let bits)): features = bits
        case (.setMemoryTable, .memoryTable(let table)):
            try checkMemory(descriptors)
            regions = table.regions
        case (.addMemoryRegion, .memoryRegion(let region)):
            try checkMemory(descriptors)
            regions.append(region)
        case (.setBackEndRequestDescriptor, _): channel = descriptors.first
        case (.setDeviceStateDescriptor, _): stateEnd = descriptors.first
        case (.getVringBase, .vringState(let ring)): stop(Int(ring.index))
        case (_, .vringState(let ring)): change(message.request, ring)
        case (_, .vringAddress(let address)): rings[Int(address.index), default: Ring()].address = address
        case (_, .vringDescriptor(let ring)): try take(message.request, Int(ring.index), descriptors.first)
        default: break
        }
    }

    private func change(_ request: Request, _ state: VringState) {
        let index = Int(state.index)
        switch request {
        case .setVringNum: rings[index, default: Ring()].size = state.num
        case .setVringBase: rings[index, default: Ring()].base = state.num
        case .setVringEnable: rings[index, default: Ring()].isEnabled = state.num == 1
        default: break
        }
    }

    private func take(_ request: Request, _ index: Int, _ descriptor: SharedDescriptor?) throws {
        switch request {
        case .setVringKick: rings[index, default: Ring()].kick = descriptor
        case .setVringCall: rings[index, default: Ring()].call = descriptor
        default: rings[index, default: Ring()].error = descriptor
        }
        guard request == .setVringCall, rings[0]?.kick != nil, rings[1]?.kick != nil, responder == nil else { return }
        let responder = try EchoResponder(
            receive: state(0), transmit: state(1), memory: memory,
            calls: [rings[0]?.call, rings[1]?.call].compactMap { $0 }, kick: rings[1]?.kick)
        configureResponder(responder)
        self.responder = responder
    }

    private func stop(_ index: Int) {
        if let responder {
            script.bases[UInt32(index)] = UInt32(index == 0 ? responder.receiveBase : responder.transmitBase)
        }
        if index == 0, let claimedBase { script.bases[0] = claimedBase }
        rings[index]?.kick = nil
        rings[index]?.call = nil
        if rings[0]?.kick == nil, rings[1]?.kick == nil { responder = nil }
    }

    /// A ring as data: user addresses become guest addresses through the regions of the messages.
    private func state(_ index: Int) throws -> QueueState {
        let ring = try required(rings[index], "ring \(index)")
        let address = try required(ring.address, "the address of ring \(index)")
        func guest(_ user: UInt64) throws -> UInt64 {
            let region = regions.first { user &- $0.userAddress < $0.size }
            return try required(region.map { user - $0.userAddress + $0.guestPhysical }, "user address \(user)")
        }
        return QueueState(
            size: UInt16(truncatingIfNeeded: ring.size),
            addresses: RingAddresses(
                descriptorTable: try guest(address.descriptorTable), availRing: try guest(address.availRing),
                usedRing: try guest(address.usedRing)),
            base: RingPosition(UInt16(truncatingIfNeeded: ring.base)), features: RingFeatures(negotiated: features))
    }

    /// Each descriptor is the memory file that the guest works on.
    private func checkMemory(_ descriptors: [SharedDescriptor]) throws {
        var own = stat()
        fstat(memory.shared.descriptor.raw, &own)
        for descriptor in descriptors {
            var sent = stat()
            fstat(descriptor.raw, &sent)
            guard sent.st_ino == own.st_ino, sent.st_dev == own.st_dev else { throw Missing("the guest memory's file") }
        }
    }
}

/// Something that should have been there by the rules of the protocol.
struct Missing: Error, CustomStringConvertible {
    let description: String
    init(_ what: String) { description = "\(what) is missing" }
}

func required<T>(_ value: T?, _ what: String) throws -> T {
    guard let value else { throw Missing(what) }
    return value
}
