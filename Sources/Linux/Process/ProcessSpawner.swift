// The door through which programs are started: what is asked for, what is reported. Two stand behind
// it: `Minder`, whose children end with netemu whatever happens, and `DirectSpawner` for library users.

/// `source` of this process appears as `target` in the child.
public struct DescriptorPlacement: Equatable, Sendable {
    /// Borrowed until `spawn` returns.
    public let source: Int32
    /// 0 to 1023.
    public let target: Int32

    /// `source` here is `target` there.
    public init(_ source: Int32, as target: Int32) {
        self.source = source
        self.target = target
    }
}

/// A program to start. The child has the placed descriptors and no other, default signals, and the
/// environment of its parent.
public struct SpawnRequest: Equatable, Sendable {
    /// Absolute: see `ExecutablePath`.
    public var path: String
    /// argv, with the program's own name as its first word. No word contains a zero byte.
    public var arguments: [String]
    /// A descriptor of the child's working directory, borrowed until `spawn` returns; nil: unspecified.
    public var directory: Int32?
    /// 0 is /dev/null, 1 and 2 are reported line by line, unless they are placed here.
    public var placements: [DescriptorPlacement]
    /// The child leads a process group of its own: signals go to the group, and what is left of it ends with the child.
    public var hasOwnGroup: Bool

    /// A child with nothing open but its output, in a group of its own, where nothing else is said.
    public init(
        path: String, arguments: [String], directory: Int32? = nil, placements: [DescriptorPlacement] = [],
        hasOwnGroup: Bool = true
    ) {
        self.path = path
        self.arguments = arguments
        self.directory = directory
        self.placements = placements
        self.hasOwnGroup = hasOwnGroup
    }
}

/// Names a child of one spawner.
public struct ChildID: Hashable, Sendable {
    let number: UInt32
    /// For spawners, which see to it that a number is not given twice.
    public init(number: UInt32) { self.number = number }
}

/// How a process ended.
public enum ProcessEnd: Equatable, Sendable, CustomStringConvertible {
    /// With this status, 0 to 255.
    case exited(Int32)
    /// By the signal of this number.
    case signalled(Int32)

    public var description: String {
        switch self {
        case .exited(let status): "exited with code \(status)"
        case .signalled(let number): "was killed by signal \(number)"
        }
    }
}

/// News of a child, in this order: `started` or `failed`; lines; `ended`. Nothing follows `failed` or `ended`.
public enum ChildEvent: Equatable, Sendable {
    /// It runs; the pid is its until `ended`.
    case started(pid: Int32)
    /// It did not start; the error is the system's or the minder's own check.
    case failed(SpawnError)
    /// A line of its standard output or error, without the newline, at most 512 bytes, printable.
    case line(String)
    /// So many lines were not passed on: they came too fast.
    case linesDropped(Int)
    /// It has ended and is reaped: its pid means nothing any more.
    case ended(ProcessEnd)
}

/// Why a program was not started.
public enum SpawnError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call failed.
    case system(SystemError)
    /// The program, or one of its arguments, is not among those fixed at the start.
    case refused(String)
    /// More arguments or descriptors than a request may have.
    case tooLarge(String)
    /// The minder has ended.
    case noMinder
    /// The minder can be forked only from a process with one thread; this one has more.
    case threads(Int)

    public var description: String {
        switch self {
        case .system(let error): error.description
        case .refused(let reason): reason
        case .tooLarge(let what): "\(what) is too large to start"
        case .threads(let count): "the minder has to be started before any thread; there are \(count)"
        case .noMinder: "the process that minds netemu's children has ended"
        }
    }
}

/// Starts programs and tells what becomes of them. Belongs to one reactor's thread.
public protocol ProcessSpawner: AnyObject {
    /// Starts a program. `onEvent` is called on the reactor's thread, never within this call.
    func spawn(_ request: SpawnRequest, onEvent: @escaping (ChildEvent) -> Void) throws(SpawnError) -> ChildID

    /// Sends a signal to the child (to its group, if it has its own); one that has ended is ignored.
    func signal(_ child: ChildID, _ number: Int32)
}

/// Sizes of a request that every spawner accepts.
enum SpawnLimit {
    static let words = 512
    static let bytes = 32 * 1024
    static let placements = 32

    static func check(_ request: SpawnRequest) throws(SpawnError) {
        let length = request.path.utf8.count + request.arguments.reduce(0) { $0 + $1.utf8.count + 1 }
        guard request.arguments.count <= words, length <= bytes else { throw .tooLarge("the command line") }
        guard request.placements.count <= placements else { throw .tooLarge("the list of descriptors") }
        guard !request.arguments.isEmpty, request.path.utf8.first == UInt8(ascii: "/") else {
            throw .refused("a program needs an absolute path and a name")
        }
        guard !request.arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw .refused("a word of the command line contains a zero byte")
        }
    }
}
