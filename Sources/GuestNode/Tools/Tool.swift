// What a tool is: a value that is stepped. No task, thread, closure or coroutine holds its state,
// so a running node can be stopped, encoded and carried on elsewhere between any two steps.

import Bytes
import NetStack

/// What a step of a tool came to.
enum ToolStep: Equatable, Sendable {
    /// Step again when the network, the console or the file has moved, at the latest at `until`.
    case running(until: Instant?)
    /// Bulk data moved and more can: step again in this turn if the budget permits.
    case again
    /// Over, with an exit status.
    case finished(Int32)
}

/// A tool that takes more than one step.
protocol RunningTool: Sendable {
    /// What the section of its state is called; two tools have two names.
    static var kind: String { get }
    /// What `code` writes. Whoever changes its bytes adds one.
    static var version: UInt16 { get }
    /// What `code` fills in.
    static var blank: Self { get }
    /// Writes everything down between two steps, or takes it up; the files that it has open by the mover's door.
    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError)
    /// Does what can be done now, a bounded amount of it.
    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep
    /// Ctrl-C: says what is to be said, gives sockets back, returns the exit status.
    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32
}

extension RunningTool {
    static var version: UInt16 { 1 }
}

/// Exit statuses that the shell itself gives (POSIX XCU 2.8.2).
enum ExitStatus {
    static let success: Int32 = 0
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let notFound: Int32 = 127
    static let interrupted: Int32 = 130
    /// A script that needs an address has none: it was not run.
    static let noAddress: Int32 = 123
    /// A script was ended because its time was over; timeout(1)'s.
    static let timedOut: Int32 = 124
}

/// Where a tool's input comes from.
enum StandardInput: Equatable, Sendable {
    /// There is none, as for a script: a tool waits for nothing and closes nothing.
    case none
    case console
    case file(OpenFile)
}

/// Where a tool's output goes.
enum StandardOutput: Equatable, Sendable {
    case console
    /// `> /dev/stderr`: where complaints go.
    case errors
    case file(OpenFile)
}

/// The terminal's side that tools and the shell share: what is to be written, what was typed.
final class Streams {
    var output: OutputBuffer
    /// Typed lines that nobody has read yet, line feeds included.
    var typed: [UInt8] = []
    /// Ctrl-D was typed after `typed`.
    var isTypedAtEnd = false
    /// Why nobody takes the output any more.
    private(set) var outputFailure: FileError?
    /// The output is read at a terminal, which a peer's bytes could steer.
    var isOnTerminal = true

    init(isTerminal: Bool) { output = OutputBuffer(isTerminal: isTerminal) }

    /// What is written from now on is an error of who writes it.
    func outputLost(_ reason: String) {
        outputFailure = outputFailure ?? FileError(path: "standard output", reason: reason)
        output.close()
    }
}

/// What a tool sees of the world during one step.
struct ToolContext {
    let host: Host
    let files: any FileDoor
    let streams: Streams
    var input: StandardInput
    var output: StandardOutput
    /// The exit status of the command before.
    var lastStatus: Int32 = 0
    /// The first file that could not be read or written; the shell tells it and fails the command.
    var fileError: FileError?

    /// Text for the user, wherever standard output goes.
    mutating func print(_ text: String) {
        guard case .file(let file) = output else {
            fileError = fileError ?? streams.outputFailure
            return streams.output.write(text, output == .errors ? .complaint : .data)
        }
        var text = text
        text.withUTF8 { bytes in
            do throws(FileError) {
                try file.write(UnsafeRawBufferPointer(bytes), by: files)
            } catch { fileError = fileError ?? error }
        }
    }

    /// What is wrong, and what goes on: text for standard error, wherever standard output goes.
    func complain(_ text: String) { streams.output.write(text, .complaint) }

    /// The next complaint begins a line.
    var isAtLineStart: Bool { streams.output.isAtLineStartForComplaint }

    /// What the user asked to be told at the end: never in the file that standard output goes to.
    func report(_ text: String) { streams.output.write(text) }

    /// What is written is looked at on a terminal.
    var isForTerminal: Bool {
        switch output {
        case .console: streams.isOnTerminal
        case .errors: true
        case .file: false
        }
    }

    /// How many bytes of bulk data standard output takes now.
    var outputRoom: Int {
        switch output {
        case .console, .errors: streams.output.room
        case .file: .max
        }
    }

    /// Bulk data to standard output; the caller has asked for room.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        switch output {
        case .console, .errors:
            if let failure = streams.outputFailure { throw failure }
            streams.output.write(bytes, output == .errors ? .complaint : .data)
        case .file(let file): try file.write(bytes, by: files)
        }
    }

    /// What reading standard input gave.
    enum Reading: Equatable {
        case bytes(Int)
        /// Nothing now; more may be typed.
        case nothing
        case endOfFile
    }

    /// Reads what is there of standard input.
    func read(into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Reading {
        switch input {
        case .none: return .nothing
        case .file(let file):
            let count = try file.read(into: room, by: files)
            return count > 0 ? .bytes(count) : .endOfFile
        case .console:
            let count = min(room.count, streams.typed.count)
            guard count > 0 else { return streams.isTypedAtEnd ? .endOfFile : .nothing }
            streams.typed.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            streams.typed.removeFirst(count)
            return .bytes(count)
        }
    }
}
