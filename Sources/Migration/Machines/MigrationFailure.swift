// Why a guest did not move, as values, each with its sentence.

import Bytes
import Linux

/// Why a migration failed.
public enum MigrationFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What an end waited for in vain.
    public enum Wait: Equatable, Sendable {
        /// The other end's greeting; its reading; its writing; its PREPARED; its STARTED; its COMMIT.
        case greeting, reading, writing, prepared, started, commit
        /// The owner: the machines compared, the guest's standstill, its sections, what has to be ready before COMMIT.
        case compare, stop, save, prepare
        /// The end of the program that takes a snapshot.
        case exit
    }

    /// The user did not want it any more.
    case cancelled
    /// The other end closed the connection, in the middle of a frame or not.
    case closed
    /// Too late.
    case late(Wait, Interval)
    /// The other end's words.
    case refused(String)
    /// This end's owner's words.
    case owner(String)
    /// The connection's descriptor failed.
    case system(SystemError)
    /// Its bytes are wrong.
    case stream(StreamFault)
    /// The other end is another program.
    case program(String, here: String)
    /// What is to be sent is larger than the stream allows: what.
    case tooLarge(String)

    public var description: String {
        switch self {
        case .cancelled: "the migration was cancelled"
        case .closed: "the other end closed the connection"
        case .late(let wait, let time): "\(wait.sentence) within \(time.milliseconds) ms"
        case .refused(let text): text.isEmpty ? "the other end refused" : text
        case .owner(let text): text
        case .system(let error): "\(error)"
        case .stream(let fault): "\(fault)"
        case .program(let name, let here): "the other end is \(name), this one is \(here)"
        case .tooLarge(let what): "\(what) is too large to move"
        }
    }

    /// The words of the other end, without what would disturb a terminal.
    static func said(_ body: UnsafeRawBufferPointer) -> MigrationFailure {
        .refused(PeerText.shown(body))
    }

    /// What the other end is told.
    var body: [UInt8] { Array(description.utf8.prefix(MigrationLimits.text)) }
}

extension MigrationFailure.Wait {
    fileprivate var sentence: String {
        switch self {
        case .greeting: "the other end did not answer"
        case .reading: "nothing came from the other end"
        case .writing: "the other end took nothing"
        case .prepared: "the destination was not ready"
        case .started: "the destination did not say that it has started the guest"
        case .commit: "the source did not hand the guest over"
        case .compare: "the machines were not compared"
        case .stop: "the guest did not stop"
        case .save: "the state was not saved"
        case .prepare: "the state was not checked"
        case .exit: "the command did not end"
        }
    }
}
