// QEMU's parameters and capabilities of a migration, as far as they mean something here: by name, for the monitor.

import Bytes
import GuestNode
import Migration

/// What may be set before a move.
struct MigrationSettings: Equatable {
    var parameters = MigrationParameters()
    /// Milliseconds: before the second announcement, at most between two, and what is added each time.
    var announceInitial: UInt64 = 50
    var announceMax: UInt64 = 550
    var announceRounds: UInt64 = 5
    var announceStep: UInt64 = 100
    /// The rounds in which a guest says where it is.
    var announcement: AnnounceSchedule.Parameters {
        var rounds = AnnounceSchedule.Parameters()
        rounds.initial = .milliseconds(Int64(clamping: announceInitial))
        rounds.longest = .milliseconds(Int64(clamping: announceMax))
        rounds.rounds = Int(clamping: announceRounds)
        rounds.step = .milliseconds(Int64(clamping: announceStep))
        return rounds
    }
    /// A guest whose connections are known not to move does not either.
    var requiresConnections = false
}

/// One parameter.
struct MigrationParameterRow: Sendable {
    typealias Setter = @Sendable (inout MigrationSettings, String) throws(OptionError) -> Void
    let name: String
    /// As `info migrate_parameters` shows it.
    let shown: @Sendable (MigrationSettings) -> String
    let set: Setter

    /// In QEMU's order, then what only netemu has.
    static let all: [MigrationParameterRow] = [
        announce("announce-initial", \.announceInitial, unit: " ms", upTo: 100_000),
        announce("announce-max", \.announceMax, unit: " ms", upTo: 100_000),
        announce("announce-rounds", \.announceRounds, unit: "", upTo: 1000),
        announce("announce-step", \.announceStep, unit: " ms", upTo: 10_000),
        MigrationParameterRow(
            name: "max-bandwidth", shown: { "\($0.parameters.maxBandwidth) bytes/second" }, set: setBandwidth),
        MigrationParameterRow(
            name: "downtime-limit", shown: { "\($0.parameters.downtimeLimit.milliseconds) ms" }, set: setDowntime),
        MigrationParameterRow(
            name: "x-require-connections", shown: { $0.requiresConnections ? "on" : "off" }, set: setRequirement),
    ]

    private static func announce(
        _ name: String, _ path: any WritableKeyPath<MigrationSettings, UInt64> & Sendable, unit: String,
        upTo limit: UInt64
    ) -> MigrationParameterRow {
        let set: Setter = { settings, text throws(OptionError) in
            let value = try Value.size(text, key: name)
            guard value <= limit else {
                throw OptionError("Parameter '\(name)' expects a value between 0 and \(limit)")
            }
            settings[keyPath: path] = value
        }
        return MigrationParameterRow(name: name, shown: { "\($0[keyPath: path])\(unit)" }, set: set)
    }

    private static let setBandwidth: Setter = { settings, text throws(OptionError) in
        settings.parameters.maxBandwidth = try bandwidth(text)
    }

    private static let setDowntime: Setter = { settings, text throws(OptionError) in
        let limit = try Value.size(text, key: "downtime-limit")
        guard limit <= 2_000_000 else {
            throw OptionError("Parameter 'downtime-limit' expects an integer in the range of 0 to 2000000 ms")
        }
        settings.parameters.downtimeLimit = .milliseconds(Int64(limit))
    }

    private static let setRequirement: Setter = { settings, text throws(OptionError) in
        guard text == "on" || text == "off" else {
            throw OptionError("Parameter 'x-require-connections' expects 'on' or 'off'")
        }
        settings.requiresConnections = text == "on"
    }

    /// Without a suffix MiB, as QEMU reads it; 0 is no limit.
    private static func bandwidth(_ text: String) throws(OptionError) -> UInt64 {
        let isBare = text.utf8.last.map { (0x30...0x39).contains($0) } ?? false
        guard let bytes = Value.plainSize(isBare ? "\(text)M" : text), bytes <= UInt64(Int64.max) else {
            throw OptionError("Invalid size \(text)")
        }
        return bytes == 0 ? 0 : max(bytes, MigrationLimits.leastBandwidth)
    }

    /// QEMU's others: they are about compression, channels, throttled processors and the like.
    static let others: Set<String> = [
        "throttle-trigger-threshold", "cpu-throttle-initial", "cpu-throttle-increment", "cpu-throttle-tailslow",
        "max-cpu-throttle", "tls-creds", "tls-hostname", "tls-authz", "avail-switchover-bandwidth",
        "max-postcopy-bandwidth", "x-checkpoint-delay", "multifd-channels", "multifd-compression",
        "zero-page-detection", "xbzrle-cache-size", "multifd-zlib-level", "multifd-zstd-level",
        "multifd-qatzip-level", "x-vcpu-dirty-limit-period", "vcpu-dirty-limit", "mode", "direct-io",
        "x-rdma-chunk-size", "cpr-exec-command", "block-bitmap-mapping",
    ]

    static func named(_ name: String) throws(OptionError) -> MigrationParameterRow {
        if let row = all.first(where: { $0.name == name }) { return row }
        guard others.contains(name) else { throw OptionError("invalid parameter value: \(name)") }
        throw OptionError(
            "parameter '\(name)' means nothing to netemu",
            hints: ["What works: \(all.map(\.name).joined(separator: ", "))"])
    }
}

/// QEMU's capabilities: netemu has one, always.
enum MigrationCapability {
    static let returnPath = "return-path"
    static let others: Set<String> = [
        "xbzrle", "rdma-pin-all", "auto-converge", "events", "postcopy-ram", "x-colo", "release-ram",
        "pause-before-switchover", "multifd", "dirty-bitmaps", "postcopy-blocktime", "late-block-activate",
        "x-ignore-shared", "validate-uuid", "background-snapshot", "zero-copy-send", "postcopy-preempt",
        "switchover-ack", "dirty-limit", "mapped-ram",
    ]

    /// Those that are off stay off, and the one that is on stays on.
    static func set(_ name: String, _ isOn: Bool) throws(OptionError) {
        if name == returnPath {
            guard isOn else { throw OptionError("capability 'return-path' is always on: the destination answers") }
            return
        }
        guard others.contains(name) else { throw OptionError("invalid parameter value: \(name)") }
        if isOn { throw OptionError("capability '\(name)' is not supported yet", hints: ["What is on: \(returnPath)"]) }
    }
}
