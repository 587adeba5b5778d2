internal import OrderedCollections

// Groups whose members share out what they read by themselves: their coordinator, and who waits for it.
extension Broker {
    func coordinate(_ request: GroupRequest, _ id: RequestID, for channel: Channel, at now: Now) {
        guard let host = channel.host, !host.isDeleted else {
            return refuse(channel, id, .notFound(.virtualHost, name: channel.info.host))
        }
        switch request {
        case .join(let name, var join):
            namesGiven += 1
            let origin = join.instanceID ?? (join.clientID.isEmpty ? "member" : join.clientID)
            join.newMemberID = "\(origin)-\(epoch)-\(namesGiven)"
            let waiter = wait(for: name, id, channel)
            change(name, in: host, makes: true, at: now) { $0.join(join, waiter: waiter, at: now.monotonic) }
        case .sync(let name, let sync):
            guard host.coordinators[name] != nil else {
                return reply(.sync(.refused(.unknownMemberID)), id, to: channel)
            }
            let waiter = wait(for: name, id, channel)
            change(name, in: host, at: now) { $0.sync(sync, waiter: waiter, at: now.monotonic) }
        case .heartbeat(let name, let identity):
            var failure: GroupError? = host.coordinators[name] == nil ? .unknownMemberID : nil
            change(name, in: host, at: now) { coordinator in
                do throws(GroupError) {
                    try coordinator.heartbeat(identity, at: now.monotonic)
                } catch {
                    failure = error
                }
                return []
            }
            reply(.heartbeat(failure), id, to: channel)
        case .leave(let name, let leaving):
            var result: Result<[GroupCoordinator.Left], GroupError> = .failure(.unknownMemberID)
            change(name, in: host, at: now) { coordinator in
                do throws(GroupError) {
                    let (left, answers) = try coordinator.leave(leaving, at: now.monotonic)
                    result = .success(left)
                    return answers
                } catch {
                    result = .failure(error)
                    return []
                }
            }
            reply(.left(result), id, to: channel)
        case .describe(let names):
            reply(.described(names.map { description(of: $0, in: host) }), id, to: channel)
        case .list: reply(.listed(listed(in: host)), id, to: channel)
        case .delete(let names):
            let results = names.map { deleteGroup($0, in: host, for: channel) }
            respond(channel, id, .group(.deleted(results)))
        }
    }

    private func reply(_ reply: GroupReply, _ id: RequestID, to channel: Channel) {
        effects.append(.reply(channel.id, id, .group(reply)))
    }

    // MARK: Coordinators

    /// Does something to the coordinator of a group, and what follows from it.
    private func change(
        _ name: String, in host: VirtualHost, makes: Bool = false, at now: Now,
        _ body: (inout GroupCoordinator) -> [GroupCoordinator.Answer]
    ) {
        guard var coordinator = host.coordinators[name] ?? (makes ? GroupCoordinator(limits: limits.groups) : nil)
        else { return }
        // What is due comes first: who is late is late.
        var answers = coordinator.tick(at: now.monotonic)
        answers += body(&coordinator)
        let key = TimerKey.group(host: host.name, name: name)
        if coordinator.isUnused {
            host.coordinators[name] = nil
            timers.cancel(key)
        } else {
            host.coordinators[name] = coordinator
            if let deadline = coordinator.nextDeadline { timers.set(key, at: deadline) } else { timers.cancel(key) }
        }
        for answer in answers { deliver(answer) }
    }

    func coordinatorIsDue(_ name: String, in hostName: String, at now: Now) {
        guard let host = hosts[hostName] else { return }
        change(name, in: host, at: now) { _ in [] }
    }

    private func deliver(_ answer: GroupCoordinator.Answer) {
        guard let waiting = groupWaiters.removeValue(forKey: answer.waiter) else { return }
        waiting.channel.groupWaits.removeAll { $0.waiter == answer.waiter }
        switch answer {
        case .join(let answer, _): reply(.join(answer), waiting.request, to: waiting.channel)
        case .sync(let answer, _): reply(.sync(answer), waiting.request, to: waiting.channel)
        }
    }

    private func wait(for group: String, _ request: RequestID, _ channel: Channel) -> GroupWaiter {
        nextGroupWaiter += 1
        let waiter = GroupWaiter(nextGroupWaiter)
        groupWaiters[waiter] = (channel, request)
        channel.groupWaits.append((waiter, group))
        return waiter
    }

    /// The channel has ended: its answers would go nowhere.
    func forgetGroupWaits(of channel: Channel, at now: Now) {
        let waits = channel.groupWaits
        channel.groupWaits = []
        guard let host = channel.host else { return }
        for (waiter, name) in waits {
            groupWaiters[waiter] = nil
            change(name, in: host, at: now) { coordinator in
                coordinator.drop(waiter, at: now.monotonic)
                return []
            }
        }
    }

    // MARK: Offsets

    /// Whether whoever says that he is this member may commit offsets of the group.
    func checkCommit(
        _ identity: GroupCoordinator.Identity, of name: String, in host: VirtualHost, at now: Now
    ) throws(GroupError) {
        guard host.coordinators[name] != nil else {
            // One that needs no members, or a member of an earlier life of the server.
            if identity.generation >= 0 { throw .illegalGeneration }
            return
        }
        var failure: GroupError?
        change(name, in: host, at: now) { coordinator in
            do throws(GroupError) { try coordinator.checkCommit(identity, at: now.monotonic) } catch { failure = error }
            return []
        }
        if let failure { throw failure }
    }

    // MARK: Looking

    private func description(of name: String, in host: VirtualHost) -> GroupCoordinator.Description? {
        if let coordinator = host.coordinators[name] { return coordinator.describe() }
        guard hasOffsets(name, in: host) else { return nil }
        return GroupCoordinator.Description(state: .empty, protocolType: "", protocolName: "", members: [])
    }

    private func listed(in host: VirtualHost) -> [ListedGroup] {
        var groups: [String: ListedGroup] = [:]
        for topic in host.topics {
            for name in topic.groups.keys {
                groups[name] = ListedGroup(name: name, protocolType: "consumer", state: .empty)
            }
        }
        for (name, coordinator) in host.coordinators {
            let description = coordinator.describe()
            groups[name] = ListedGroup(
                name: name, protocolType: description.protocolType, state: description.state)
        }
        return groups.values.sorted { $0.name < $1.name }
    }

    private func hasOffsets(_ name: String, in host: VirtualHost) -> Bool {
        host.topics.contains { $0.groups[name] != nil }
    }

    private func deleteGroup(_ name: String, in host: VirtualHost, for channel: Channel) -> GroupError? {
        var isKnown = hasOffsets(name, in: host)
        if var coordinator = host.coordinators[name] {
            do throws(GroupError) { try coordinator.delete() } catch { return error }
            host.coordinators[name] = nil
            timers.cancel(.group(host: host.name, name: name))
            isKnown = true
        }
        guard isKnown else { return .groupIDNotFound }
        for topic in host.topics {
            guard let group = topic.groups[name] else { continue }
            guard group.membership.isEmpty else { return .nonEmptyGroup }
        }
        for topic in host.topics {
            guard let group = topic.groups.removeValue(forKey: name) else { continue }
            for (number, offset) in group.offsets {
                changes.groupsRemoved.append(
                    GroupOffset(group: name, log: topic.partitions[number].log.id, offset: offset))
            }
        }
        didChange(channel)
        return nil
    }
}

extension VirtualHost {
    var topics: [Topic] {
        router.destinations.values.compactMap { if case .topic(let topic) = $0 { topic } else { nil } }
    }
}
