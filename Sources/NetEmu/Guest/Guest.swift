// What is behind the cards, as the wiring sees it, and what a kind of guest is. The wiring knows no kind: a new
// one is a file here and its line in GuestOption.kinds.

import GuestNode
import Linux
import Virtio

/// A guest: somebody who drives the cards.
protocol Guest: AnyObject {
    /// Its terminal; another object after `reset`. nil when it has none.
    var console: (any GuestConsole)? { get }
    /// What its task says, for standard output; nil without a task.
    var output: (any GuestOutput)? { get }
    var onEvent: ((GuestEvent) -> Void)? { get set }
    /// TCP connections that it has, by whatever card; nil: nobody knows.
    var connectionCount: Int? { get }

    /// Puts a card into the guest. What is returned is joined to a back-end afterwards.
    /// - Throws: an error without a location.
    func plug(_ card: CardIdentity) throws(EmulationError) -> any CardDevice
    /// A card is to go; `done` when the guest has let go of it, which a stopped guest does only when it goes on.
    func unplug(_ device: any CardDevice, done: @escaping () -> Void)

    /// netemu begins, long before anything runs: the time that a task may take counts from here, whatever it waits for.
    func begin()
    /// Runs from now on, or again.
    func resume()
    /// Stands still. `done` once nothing that the guest owns moves any more, or when it was resumed before that.
    func pause(_ done: @escaping () -> Void)
    /// Begins anew, with the same cards.
    func reset()
    /// The program ends: connections are closed, and reset where that takes longer than `patience` nanoseconds;
    /// `done` when everything has been said, a little later at the latest. Once.
    func end(within patience: UInt64, done: @escaping () -> Void)
    /// Says on its networks where it is, in several rounds, by these cards or by all; what is under way with the same id
    /// is over.
    func announce(_ parameters: AnnounceSchedule.Parameters, id: String, by devices: [any CardDevice]?)
}

extension Guest {
    func begin() {}
    var connectionCount: Int? { nil }
    /// Nobody is there who could say anything.
    func announce(_ parameters: AnnounceSchedule.Parameters, id: String, by devices: [any CardDevice]?) {}
}

/// A guest that can go on in another process. Guest memory moves by itself, its cards by `NetworkCard`.
protocol MovingGuest: Guest {
    /// What both sides have to be: `node`.
    var kind: String { get }
    /// Marks what it wrote to guest memory since the last call and has not marked when it wrote it.
    func markWrites()
    /// Everything else of it, while it stands still.
    func save() -> [UInt8]
    /// Takes up what `save` of another one gave. It has as many cards, which were restored before, and never ran. It stands
    /// still afterwards; only `resume` lets it run.
    func restore(_ state: [UInt8]) throws(EmulationError)
}

/// What a guest tells of itself.
enum GuestEvent: Equatable {
    /// Its console or its task has said something. May come often.
    case output
    /// It has another console.
    case consoleChanged
    /// Its task, or its console that reads a pipe, is over: netemu ends with this status when what was said has been
    /// taken.
    case taskEnded(status: Int32)
    /// It cannot do what it is for: netemu ends.
    case failed(EmulationError)
}

/// Bytes that a guest has produced and nobody has taken yet. Its producer waits while many are there.
protocol GuestOutput: AnyObject {
    var hasOutput: Bool { get }
    /// Lends what is there, of one kind at a time, in order; `body` returns how many bytes it took.
    func drainStreams(_ body: (UnsafeRawBufferPointer, OutputKind) -> Int)
    /// Nobody takes any more, such as for "No space left on device". Returns the exit status of what is over already:
    /// the loss is no success.
    func outputLost(_ reason: String) -> Int32?
}

/// A guest's terminal: keys in, bytes out.
protocol GuestConsole: GuestOutput {
    /// Bytes that were typed.
    func input(_ bytes: UnsafeRawBufferPointer)
    /// Somebody types; otherwise bytes of a pipe come, which has an end.
    var isInteractive: Bool { get set }
    /// A command runs, or waits to be run.
    var isBusy: Bool { get }
    /// False: more than enough waits to be read.
    var wantsInput: Bool { get }
    /// What it says is read at a terminal, which bytes of a peer could steer.
    var isOnTerminal: Bool { get set }
    /// How a user gets away whose `exit` ends nothing.
    var wayOut: String? { get set }
    /// Whoever typed the line that was begun has gone.
    func forgetLine()
    /// The pipe's end.
    func endInput()
    /// The screen was somebody else's: the line at which a user types is shown again.
    func redraw()
    /// The last line is complete, so that somebody else may write one.
    var isAtLineStart: Bool { get }
}

/// A kind of `-guest`, with the values of its keys.
protocol GuestKind: Sendable {
    /// `-guest NAME`.
    static var name: String { get }
    /// As in `-help`: `node[,run=SCRIPT]`.
    static var usage: String { get }
    static var keys: KeyTable { get }
    /// Keys that give the guest a task, with whose status netemu ends.
    static var taskKeys: [String] { get }

    /// - Parameter values: checked against `keys`.
    init(_ values: CheckedValues) throws(OptionError)
    /// netemu ends when the guest's task does; its own failure is 125 then.
    var hasTask: Bool { get }
    /// The task ends by itself after a while, whatever happens.
    var hasTimeLimit: Bool { get }
    /// Its guest has a terminal, which shares netemu's with the monitor.
    var hasConsole: Bool { get }
    /// It has no other way to an address than to ask for one by DHCP.
    var asksForAddress: Bool { get }
    func makeGuest(_ site: GuestSite) -> any Guest
}

extension GuestKind {
    static var taskKeys: [String] { [] }
    var hasTask: Bool { false }
    var hasTimeLimit: Bool { false }
    var hasConsole: Bool { false }
    var asksForAddress: Bool { false }
}

/// Where a guest is made.
struct GuestSite {
    let memory: GuestMemory
    let reactor: Reactor
    /// What the task says is read at a terminal.
    var isTaskOnTerminal = false
    /// Takes a sentence for netemu's user.
    let say: (String) -> Void
}
