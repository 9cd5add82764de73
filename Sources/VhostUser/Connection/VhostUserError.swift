// Why a connection to a back-end ended, or could not be used. Where QEMU has a well-known text for
// the case, the text is QEMU's.

import Bytes
import Linux

/// What went wrong between front-end and back-end.
public enum VhostUserError: Error, Equatable, Sendable {
    /// The back-end closed the connection while nothing was asked of it.
    case endOfFile
    /// End of file inside a header, or instead of the answer to `request`.
    case shortHeader(read: Int, request: Request?)
    /// End of file behind `read` of so many bytes of a payload.
    case shortPayload(read: Int, of: Int)
    /// The bytes are no legal answer.
    case message(MessageError)
    /// An answer to another request, or one that nobody asked for (`expected` nil).
    case unexpectedReply(expected: Request?, received: UInt32)
    /// An answer whose payload has not the size of the structure.
    case badSize(Request, size: Int)
    /// GET_VRING_BASE answered for another ring.
    case wrongRing(expected: UInt16, received: UInt32)
    /// The back-end refused a request it must not refuse.
    case refused(Request, value: UInt64)
    /// No answer in time.
    case timeout(Request, after: Interval)
    /// The back-end does not offer VIRTIO_F_VERSION_1.
    case legacyBackEnd(features: UInt64)
    /// Fewer queue pairs than configured.
    case tooFewQueues(supported: UInt64)
    /// The back-end has fewer slots than the memory has regions.
    case tooFewMemorySlots(supported: UInt64, needed: Int)
    /// More regions than SET_MEM_TABLE carries, and the back-end has no memory slots.
    case tooManyMemoryRegions(count: Int)
    /// A queue index that the connection has not.
    case noSuchQueue(UInt16, count: Int)
    /// A ring address outside guest memory.
    case ringOutsideMemory(queue: UInt16, address: UInt64)
    /// Another process cannot map the memory.
    case memoryNotShared
    /// The back-end does not read: more is waiting to be sent than the limit.
    case sendQueueFull(bytes: Int)
    /// Something was asked before the handshake was done.
    case notConnected
    /// The back-end's state cannot be moved while it works on rings.
    case ringsRun
    /// The back-end's state is being moved already.
    case stateIsMoving
    /// The back-end did not save or load its state, for this reason: an errno, or a value of its own.
    case stateRefused(StateTransfer, value: UInt64)
    /// The back-end meant to use a descriptor of its own and sent none.
    case noStateDescriptor
    /// The back-end says that it loaded its state, but did not read all of it.
    case stateCut
    /// More bytes than a state may have.
    case stateTooLarge(limit: Int)
    /// The state was not moved in time.
    case stateTimeout(StateTransfer, after: Interval)
    /// The back-end cannot mark what it writes to guest memory.
    case noLog
    /// The back-end has a log already, or was asked to take one.
    case logIsBusy
    /// The rings are about to stop: nothing can be told of them.
    case ringsStop
    /// The owner ended the connection.
    case closedByOwner
    /// A system call failed.
    case system(SystemError)
}

extension VhostUserError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .endOfFile: "the vhost-user back-end closed the connection"
        case .shortHeader(let read, let request):
            "Failed to read msg header. Read \(read) instead of \(MessageHeader.byteCount)."
                + (request.map { " Original request \($0.rawValue)." } ?? "")
        case .shortPayload(let read, let size): "Failed to read msg payload. Read \(read) instead of \(size)."
        case .message(let error): error.description
        case .unexpectedReply(let expected, let received):
            "Received unexpected msg type. Expected \(expected?.rawValue ?? 0) received \(received)"
        case .badSize: "Received bad msg size."
        case .wrongRing(let expected, let received):
            "GET_VRING_BASE of ring \(expected) was answered for ring \(received)"
        case .refused(let request, _): "\(request.callName) failed: Input/output error (5)"
        case .timeout(let request, let interval):
            "no answer to \(request) from the vhost-user back-end within \(interval.milliseconds) ms"
        case .legacyBackEnd(let features):
            "the vhost-user back-end offers features 0x\(String(features, radix: 16)) without VIRTIO_F_VERSION_1; "
                + "legacy devices are not supported"
        case .tooFewQueues(let supported): "you are asking more queues than supported: \(supported)"
        case .tooFewMemorySlots(let supported, let needed):
            "the vhost-user back-end has \(supported) memory slots, \(needed) are needed"
        case .tooManyMemoryRegions(let count):
            "\(count) memory regions; without CONFIGURE_MEM_SLOTS a vhost-user back-end takes at most "
                + "\(MemoryTable.maximumRegions)"
        case .noSuchQueue(let index, let count): "queue \(index) of a vhost-user connection with \(count) queues"
        case .ringOutsideMemory(let queue, let address):
            "ring \(queue) at guest address 0x\(String(address, radix: 16)) is not in guest memory"
        case .memoryNotShared: "vhost-user needs guest memory that can be shared (share=on)"
        case .sendQueueFull(let bytes): "the vhost-user back-end does not read: \(bytes) bytes are waiting"
        case .notConnected: "the vhost-user back-end is not connected"
        case .ringsRun, .stateIsMoving, .stateRefused, .noStateDescriptor, .stateCut, .stateTooLarge, .stateTimeout:
            stateText
        case .noLog: "the vhost-user back-end cannot mark what it writes"
        case .logIsBusy: "the vhost-user back-end marks already what it writes"
        case .ringsStop: "the rings of the vhost-user connection are about to stop"
        case .closedByOwner: "the vhost-user connection was closed"
        case .system(let error): error.description
        }
    }
}

extension VhostUserError {
    /// The text of an error about the back-end's state.
    private var stateText: String {
        switch self {
        case .ringsRun: "the vhost-user back-end's state cannot be moved while it works on rings"
        case .stateIsMoving: "the vhost-user back-end's state is being moved already"
        case .stateRefused(let direction, let value):
            "the vhost-user back-end could not \(direction) its state: \(Self.reason(value))"
        case .noStateDescriptor: "the vhost-user back-end did not say through which descriptor its state passes"
        case .stateCut: "the vhost-user back-end did not read all of its state"
        case .stateTooLarge(let limit): "the vhost-user back-end's state has more than \(limit >> 20) MiB"
        case .stateTimeout(let direction, let interval):
            "the vhost-user back-end did not \(direction) its state within \(interval.milliseconds) ms"
        default: ""
        }
    }

    /// Back-ends answer with an errno, some with its negative, some with all ones.
    private static func reason(_ value: UInt64) -> String {
        let signed = Int64(bitPattern: value)
        guard let code = CInt(exactly: signed.magnitude), (2...4095).contains(code) else {
            return "it answers \(signed)"
        }
        return SystemError(call: "", code: code).reason
    }
}

extension Request {
    /// The function name that QEMU's texts use for the request, such as `vhost_set_vring_call`.
    var callName: String {
        switch self {
        case .setMemoryTable, .addMemoryRegion, .removeMemoryRegion: "vhost_set_mem_table"
        case .netSetMTU: "vhost_net_set_mtu"
        case .setBackEndRequestDescriptor: "vhost_setup_backend_channel"
        default: "vhost_\(description.lowercased())"
        }
    }
}
