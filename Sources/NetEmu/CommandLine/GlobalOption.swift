// -global: a property of every card of a class. What a card is typed with counts more; of several, the last.

extension OptionRow {
    static let global = OptionRow(
        "global", "DRIVER.PROPERTY=VALUE | driver=DRIVER,property=PROPERTY,value=VALUE",
        "a property of every card of that model",
        reads: .list(
            ListGrammar(
                implied: "driver", keys: GlobalProperty.keys,
                reader: { text throws(OptionError) in try GlobalProperty.list(text) },
                check: { list throws(OptionError) in _ = try GlobalProperty(list) }))
    ) { builder, parsed throws(OptionError) in try builder.addGlobal(parsed) }
}

/// One `-global`.
public struct GlobalProperty: Equatable, Sendable {
    let driver: String
    let name: String
    let value: String

    static let keys = KeyTable(
        title: "global",
        rows: [
            KeyRow("driver", .string, "a model of card, or a class of models"),
            KeyRow("property", .string, "a property"),
            KeyRow("value", .string, "its value"),
        ])

    init(_ list: KeyValueList) throws(OptionError) {
        let values = try Self.keys.read(list)
        guard let driver = values.string("driver"), let name = values.string("property"),
            let value = values.string("value")
        else { throw OptionError("options 'driver', 'property', and 'value' are required") }
        (self.driver, self.name, self.value) = (driver, name, value)
    }

    /// `DRIVER.PROPERTY=VALUE`, in which a comma is a comma, or a list.
    static func list(_ text: String) throws(OptionError) -> KeyValueList {
        let driver = text.prefix { $0 != "." && $0 != "=" }
        let rest = text.dropFirst(driver.count)
        guard !driver.isEmpty, rest.first == ".", let equals = rest.firstIndex(of: "="),
            rest.index(after: rest.startIndex) < equals
        else { return try KeyValueList(parsing: text, implied: nil) }
        let pairs = [
            ("driver", String(driver)), ("property", String(rest[..<equals].dropFirst())),
            ("value", String(rest[rest.index(after: equals)...])),
        ]
        return KeyValueList(pairs: pairs.map { KeyValueList.Pair($0.0, $0.1) })
    }

    /// Each is checked with every model of its class: QEMU's board makes one of each to see what there is.
    static func check(_ globals: [GlobalProperty]) throws(OptionError) {
        for model in CardTables.boardModels { _ = try defaults(globals, of: model) }
    }

    /// The values that these give a card of `model`, checked one by one.
    static func defaults(_ globals: [GlobalProperty], of model: CardModel) throws(OptionError) -> KeyValueList {
        let classes = CardTables.classes(of: model.name)
        let own = CardTables.keys(of: model.name)
        var pairs: [KeyValueList.Pair] = []
        for global in globals where classes.contains(global.driver) {
            let pair = KeyValueList.Pair(global.name, global.value)
            // The device behind a PCI card has properties of its own.
            let isInner = ["virtio-net-device", "virtio-device"].contains(global.driver)
            let table = isInner ? CardTables.keys(of: "virtio-net-device") : own
            do throws(OptionError) {
                let unknown = { (key: String) in "Property '\(table.title).\(key)' not found" }
                _ = try table.read(KeyValueList(pairs: [pair]), unknown: unknown)
                if pair.key == "mac" { _ = try DeviceOption.mac(pair.value, model) }
            } catch { throw global.refused(error, table.row(named: pair.key)?.kind) }
            pairs.append(pair)
        }
        return KeyValueList(pairs: pairs)
    }

    /// QEMU's sentence around the one of a property; numbers have other words here.
    func refused(_ error: OptionError, _ kind: KeyKind? = nil) -> OptionError {
        var reason = error.text
        if case .fitting(let type)? = kind, reason.hasSuffix("expects integer") {
            reason = "Parameter '\(name)' expects \(type == .int32 ? "int64" : "uint64")"
        }
        let text = "can't apply global \(driver).\(name)=\(value): \(reason)"
        return error.isLack ? .lack(at: "", text, hints: error.hints) : OptionError(at: "", text)
    }
}

extension ConfigurationBuilder {
    mutating func addGlobal(_ parsed: ParsedOption) throws(OptionError) {
        let global = try GlobalProperty(parsed.list)
        let models = CardTables.drivers.map { CardTables.virtioModels[$0.word] ?? $0.word }
        guard models.contains(where: { CardTables.classes(of: $0).contains(global.driver) }) else {
            return warn(
                "-global \(global.driver).\(global.name)=\(global.value) has no effect: netemu has no such device")
        }
        configuration.globals.append(global)
    }
}
