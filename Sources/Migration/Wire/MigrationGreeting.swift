// What both ends say of themselves before anything moves. What the parts of a machine are and whether two of them agree
// is the callers' knowledge; here they are names and bytes.

import Bytes

/// A name and bytes: a part of the machine in a greeting, or the state of one.
public struct MigrationSection: Equatable, Sendable {
    /// As both sides call the part: 1 to 64 bytes of UTF-8.
    public var name: String
    /// What its owner wrote.
    public var bytes: [UInt8]

    /// A part of this name.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// Where a process runs: two that agree in both are on one host and see the same addresses.
public struct HostIdentity: Equatable, Hashable, Sendable {
    /// The kernel's boot id, as text; empty when it is not known.
    public var boot: String
    /// The network namespace's inode; 0 when it is not known.
    public var network: UInt64

    /// What is said is not checked.
    public init(boot: String, network: UInt64) {
        self.boot = boot
        self.network = network
    }

    /// Both ends run under one kernel.
    public func sharesHost(with other: HostIdentity) -> Bool { !boot.isEmpty && boot == other.boot }

    /// Both ends run under one kernel and in one network namespace.
    public func sharesNetwork(with other: HostIdentity) -> Bool {
        sharesHost(with: other) && network != 0 && network == other.network
    }
}

/// What an end says of itself.
public struct MigrationGreeting: Equatable, Sendable {
    /// The program's name; two different ones never understand each other.
    public var program: String
    /// The program's version, for people and for its own comparison.
    public var version: String
    /// Where it runs.
    public var host: HostIdentity
    /// The machine: memory, cards and what else must agree.
    public var machine: [MigrationSection]

    /// An end of this program.
    public init(program: String, version: String, host: HostIdentity, machine: [MigrationSection]) {
        self.program = program
        self.version = version
        self.host = host
        self.machine = machine
    }

    /// Nil when it is larger than `MigrationLimits` allow.
    var encoded: [UInt8]? {
        guard machine.count <= MigrationLimits.parts else { return nil }
        var out = StateEncoder()
        out.data(program.utf8)
        out.data(version.utf8)
        out.data(host.boot.utf8)
        out.integer(host.network)
        out.integer(UInt16(machine.count))
        for part in machine {
            guard part.bytes.count <= MigrationLimits.part, part.hasName else { return nil }
            out.data(part.name.utf8)
            out.data(part.bytes)
        }
        let names = [program, version, host.boot]
        let fit = names.allSatisfy { $0.utf8.count <= MigrationLimits.name }
        return fit && out.bytes.count <= MigrationLimits.greeting ? out.bytes : nil
    }

    /// Reads what `encoded` wrote.
    init(from body: some Collection<UInt8>) throws(StateError) {
        var input = StateDecoder(body)
        program = try input.name()
        version = try input.name()
        let boot = try input.name()
        host = HostIdentity(boot: boot, network: try input.integer())
        machine = []
        let count: UInt16 = try input.integer()
        guard count <= MigrationLimits.parts else { throw .impossible("the number of parts") }
        for _ in 0..<count {
            let name = try input.name()
            machine.append(MigrationSection(name: name, bytes: try input.data(limit: MigrationLimits.part)))
        }
        try input.finish()
        let areNamed = machine.allSatisfy(\.hasName)
        guard areNamed, Set(machine.map(\.name)).count == machine.count else { throw .impossible("a part's name") }
    }
}

extension MigrationSection {
    var hasName: Bool { (1...MigrationLimits.name).contains(name.utf8.count) }
}

extension StateDecoder {
    /// A name: text without control characters, for people to read.
    mutating func name() throws(StateError) -> String {
        let bytes = try data(limit: MigrationLimits.name)
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.utf8.elementsEqual(bytes), text.unicodeScalars.allSatisfy(\.isShown) else {
            throw .impossible("a name")
        }
        return text
    }
}
