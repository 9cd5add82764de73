// What stands in the front-end machine's queue: requests with what their answer means, and milestones
// that are reached when everything before them is sent and answered.

import Bytes
import Linux
import Virtio

/// An entry of the queue.
enum Step {
    case request(PendingRequest)
    case milestone(Milestone)
}

enum Milestone {
    case handshakeDone, started
    /// The answer said through which descriptor the back-end's state passes.
    case stateDescriptorKnown
    /// The back-end has come to the end of the turn in which it loaded its state.
    case stateLoaded
    /// The back-end marks what it writes, if it has not refused.
    case logging
    /// These rings were running until now; none when there was nothing to stop.
    case stopped([QueueConfiguration])
}

/// A request that waits to be sent.
struct PendingRequest {
    let message: Message
    var attachments: [Attachment] = []
    var expectation: Expectation = .nothing
    /// An eventfd that is made readable as the message goes out: a ring may hold work already.
    var kick: SharedEvent?
}

/// What comes back for a request.
enum Expectation: Equatable {
    case nothing
    /// A u64 that is 0 for success; any other ends the connection unless it is tolerated.
    case acknowledgement(isRefusalTolerated: Bool)
    case answer(Purpose)
}

/// What an answer is for.
enum Purpose: Equatable {
    case features(pair: Int)
    case protocolFeatures(pair: Int)
    case queueCount
    case memorySlots
    /// The answer only tells that everything before was handled.
    case barrier
    case signOfLife
    /// The status to which these bits are added.
    case status(adding: UInt8)
    case base(queue: UInt16)
    /// Through which descriptor the back-end's state passes.
    case stateDescriptor
    /// Whether all of it was moved.
    case stateCheck
    /// The log is there; back-ends say so with nothing, with a number or with what they were told.
    case logBase

    var shapes: [PayloadShape] {
        switch self {
        case .base: [.vringState]
        case .stateDescriptor: [.vringDescriptor]
        case .logBase: [.empty, .u64, .log]
        default: [.u64]
        }
    }
}

/// The one request whose answer is awaited.
struct Outstanding {
    let request: Request
    let expectation: Expectation
    let deadline: Instant
    let limit: Interval
}
