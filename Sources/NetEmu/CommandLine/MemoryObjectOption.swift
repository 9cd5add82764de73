// -object memory-backend-*: a checked list becomes the plan of a memory object. QEMU's texts.

extension ConfigurationBuilder {
    /// - Parameter list: without type and id.
    mutating func addMemory(
        _ type: String, _ keys: KeyTable, _ list: KeyValueList, id: String
    ) throws(OptionError) {
        let values = try keys.read(list)
        _ = try values.required("size")
        guard values.size("size") != 0 else { throw Self.notTaken("size", type) }
        guard values.integer("prealloc-threads") != 0 else { throw Self.notTaken("prealloc-threads", type) }
        let isShared = values.boolean("share") ?? ["memory-backend-memfd", "memory-backend-shm"].contains(type)
        guard type != "memory-backend-shm" || isShared else {
            throw OptionError(at: "", "can't create shm backend with `share=off`")
        }
        var backend = MemoryBackend(type: type, id: id, size: values.size("size") ?? 0, isShared: isShared)
        backend.isPopulated = values.boolean("prealloc") ?? false
        backend.isReserved = values.boolean("reserve") ?? true
        backend.isMerged = values.boolean("merge") ?? true
        backend.isDumped = values.boolean("dump") ?? true
        if type == MemoryKeys.file.title { backend.file = try filePlan(values, isShared: isShared) }
        try checkPages(of: backend)
        if let file = backend.file, file.isDiscarded, !isShared || file.isReadOnly {
            warn("discard-data=on of '\(id)' has no effect: the guest writes nothing to that file")
        }
        configuration.memory.objects.append(backend)
    }

    private static func notTaken(_ key: String, _ type: String) -> OptionError {
        OptionError(at: "", "property '\(key)' of \(type) doesn't take value '0'")
    }

    private func filePlan(_ values: CheckedValues, isShared: Bool) throws(OptionError) -> MemoryFilePlan {
        _ = try values.required("mem-path")
        var file = MemoryFilePlan(path: values.path("mem-path") ?? "")
        file.offset = values.size("offset") ?? 0
        file.alignment = values.size("align") ?? 0
        file.isReadOnly = values.boolean("readonly") ?? false
        file.isCopied = values.string("rom") == "off"
        file.isDiscarded = values.boolean("discard-data") ?? false
        guard file.isReadOnly || values.string("rom") != "on" else {
            throw OptionError(at: "", "property 'rom' = 'on' is not supported with 'readonly' = 'off'")
        }
        guard !(file.isReadOnly && file.isCopied && isShared) else {
            throw OptionError(
                at: "", "property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'")
        }
        return file
    }

    private func checkPages(of backend: MemoryBackend) throws(OptionError) {
        let page = Self.pageSize
        guard let file = backend.file else {
            // QEMU rounds memory-backend-ram up.
            guard backend.type != MemoryKeys.ram.title, backend.size % page != 0 else { return }
            let aligned = backend.size / page * page &+ page
            throw OptionError(
                at: nil,
                "\(backend.id) backing store size \(Self.hex(backend.size)) is too small for 'size' option "
                    + "\(Self.hex(aligned)) plus 'offset' option 0x0")
        }
        guard backend.size % page == 0 else {
            throw OptionError(at: "", "backend '\(backend.type)' memory size must be multiple of 4 KiB")
        }
        for (name, value) in [("alignment", file.alignment), ("offset", file.offset)] {
            guard value % page == 0 else {
                throw OptionError(
                    at: "", "\(name) \(Self.hex(value)) must be multiples of page size \(Self.hex(page))")
            }
            guard value <= 1 << 46 else { throw OptionError(at: "", "\(name) \(Self.hex(value)) is too large") }
        }
        guard file.alignment & (file.alignment &- 1) == 0 || file.alignment == 0 else {
            throw OptionError(at: "", "alignment \(Self.hex(file.alignment)) must be a power of two")
        }
    }
}
