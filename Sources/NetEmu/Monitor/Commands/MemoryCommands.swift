// info memdev and info memory_size_summary: the memory there is, in QEMU's lines.

/// `info memdev`.
struct InfoMemdev: ImmediateCommand {
    static let names = ["memdev"]
    static let group: String? = "info"
    static let help = "show memory backends"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> [MemoryBackend] { machine.memory.backends }

    static func lines(of answer: [MemoryBackend]) -> [String] { answer.flatMap(\.lines) + [""] }
}

/// `info memory_size_summary`.
struct InfoMemorySizeSummary: ImmediateCommand {
    static let names = ["memory_size_summary"]
    static let group: String? = "info"
    static let help =
        "show the amount of initially allocated and present hotpluggable (if enabled) memory in bytes."
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> UInt64 { machine.memory.plan.size }

    /// Guest memory does not grow.
    static func lines(of answer: UInt64) -> [String] { ["base memory: \(answer)", "plugged memory: 0"] }
}

extension MemoryBackend {
    /// On the host's nodes the memory lies as the kernel puts it.
    fileprivate var lines: [String] {
        [
            "memory backend: \(id)", "  size:  \(size)", "  merge: \(isMerged)", "  dump: \(isDumped)",
            "  prealloc: \(isPopulated)", "  share: \(isShared)", "  reserve: \(isReserved)",
            "  policy: default", "  host nodes: ",
        ]
    }
}
