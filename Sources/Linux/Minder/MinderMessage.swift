// The conversation with the minder, over a SOCK_SEQPACKET pair: one message a packet, bounded, in
// the byte order of the machine that both ends run on.
//
//   netemu                          minder
//     |  <-------------- ready (path, directory's descriptor) | cannotPrepare
//     |  spawn(id, path, argv, descriptors) ----------------> |
//     |  <-------------------- started(id, pid, pidfd) | failed(id)
//     |  <-------------------------- line(id) | dropped(id) ...
//     |  signal(id, number) --------------------------------> |
//     |  <-------------------------------------- ended(id)
//     |  end of file ---------------------------------------> |  ends all children, removes the directory
//
// Layout: kind u8, flag u8, count u16, id u32, value i32; `count` numbers u16; words, each ended by a
// zero byte. Neither end trusts the other: a packet becomes a `MinderRequest` or a `MinderReport`, or nothing.

/// A packet that has the layout; what it means is not checked yet.
package struct MinderMessage: Equatable {
    static let headerSize = 12
    /// Larger than any request that `SpawnLimit` lets pass.
    static let sizeLimit = 40 * 1024

    var kind: UInt8
    var flag: UInt8 = 0
    var id: UInt32 = 0
    var value: Int32 = 0
    var numbers: [UInt16] = []
    var words: [String] = []

    init(kind: UInt8, flag: UInt8 = 0, id: UInt32 = 0, value: Int32 = 0, numbers: [UInt16] = [], words: [String] = []) {
        self.kind = kind
        self.flag = flag
        self.id = id
        self.value = value
        self.numbers = numbers
        self.words = words
    }

    /// nil for anything that `encoded` does not give.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.headerSize, bytes.count <= Self.sizeLimit else { return nil }
        let count = Int(bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        let wordsStart = Self.headerSize + 2 * count
        guard wordsStart <= bytes.count else { return nil }
        kind = bytes[0]
        flag = bytes[1]
        id = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        value = bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self)
        numbers = (0..<count).map { bytes.loadUnaligned(fromByteOffset: Self.headerSize + 2 * $0, as: UInt16.self) }
        guard let words = Self.split(bytes[wordsStart...]) else { return nil }
        self.words = words
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [kind, flag]
        func put(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
        put(UInt16(truncatingIfNeeded: numbers.count))
        put(id)
        put(value)
        for number in numbers { put(number) }
        for word in words { bytes += Array(word.utf8) + [0] }
        return bytes
    }

    /// Words of valid UTF-8, each with its zero byte.
    private static func split(_ bytes: Slice<UnsafeRawBufferPointer>) -> [String]? {
        guard let last = bytes.last else { return [] }
        guard last == 0 else { return nil }
        var words: [String] = []
        for part in bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false) {
            guard let word = String(validating: part, as: UTF8.self) else { return nil }
            words.append(word)
        }
        return words
    }
}

/// A program that netemu asks the minder to start. Its descriptors travel beside it: the working directory if there is
/// one, then a source for each target.
package struct MinderSpawn: Equatable {
    var path: String
    var arguments: [String]
    /// Where the descriptors go.
    var targets: [Int32]
    var hasDirectory: Bool
    var hasOwnGroup: Bool

    init(path: String, arguments: [String], targets: [Int32] = [], hasDirectory: Bool = false, hasOwnGroup: Bool = true)
    {
        self.path = path
        self.arguments = arguments
        self.targets = targets
        self.hasDirectory = hasDirectory
        self.hasOwnGroup = hasOwnGroup
    }

    init(_ request: SpawnRequest) {
        self.init(
            path: request.path, arguments: request.arguments, targets: request.placements.map(\.target),
            hasDirectory: request.directory != nil, hasOwnGroup: request.hasOwnGroup)
    }

    fileprivate init?(_ message: MinderMessage, descriptorCount: Int) {
        let hasDirectory = message.flag & 1 != 0
        guard message.flag <= 3, message.value == 0, message.words.count >= 2,
            message.numbers.count <= SpawnLimit.placements, message.numbers.allSatisfy({ $0 < 1024 }),
            descriptorCount == message.numbers.count + (hasDirectory ? 1 : 0)
        else { return nil }
        self.init(
            path: message.words[0], arguments: Array(message.words.dropFirst()),
            targets: message.numbers.map { Int32($0) }, hasDirectory: hasDirectory,
            hasOwnGroup: message.flag & 2 != 0)
    }

    fileprivate func message(_ id: UInt32) -> MinderMessage {
        MinderMessage(
            kind: 1, flag: (hasDirectory ? 1 : 0) | (hasOwnGroup ? 2 : 0), id: id,
            numbers: targets.map { UInt16(clamping: $0) }, words: [path] + arguments)
    }

    /// What is to be started with the descriptors that came.
    func request(_ descriptors: [SharedDescriptor]) -> SpawnRequest {
        let sources = descriptors.dropFirst(hasDirectory ? 1 : 0)
        return SpawnRequest(
            path: path, arguments: arguments, directory: hasDirectory ? descriptors.first?.raw : nil,
            placements: zip(sources, targets).map { DescriptorPlacement($0.raw, as: $1) }, hasOwnGroup: hasOwnGroup)
    }
}

/// What netemu asks the minder.
package enum MinderRequest: Equatable {
    case spawn(id: UInt32, MinderSpawn)
    case signal(id: UInt32, number: Int32)

    package var message: MinderMessage {
        switch self {
        case .spawn(let id, let spawn): spawn.message(id)
        case .signal(let id, let number): MinderMessage(kind: 2, id: id, value: number)
        }
    }

    /// The child that was to be started, of a request whose descriptors did not all arrive; nil for any other.
    static func child(wantedBy message: MinderMessage) -> UInt32? {
        let count = message.numbers.count + Int(message.flag & 1)
        guard case .spawn(let id, _)? = MinderRequest(message, descriptorCount: count) else { return nil }
        return id
    }

    /// - Parameter descriptorCount: how many came with the packet.
    package init?(_ message: MinderMessage, descriptorCount: Int) {
        switch message.kind {
        case 1:
            guard let spawn = MinderSpawn(message, descriptorCount: descriptorCount) else { return nil }
            self = .spawn(id: message.id, spawn)
        case 2:
            guard message.flag == 0, message.numbers.isEmpty, message.words.isEmpty, descriptorCount == 0,
                (1...31).contains(message.value)
            else { return nil }
            self = .signal(id: message.id, number: message.value)
        default: return nil
        }
    }
}
