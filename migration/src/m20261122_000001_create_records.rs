//! All records, and the invariants that the database keeps whatever a program does.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, RECORDS).await?;
        let house = crate::either(
            manager,
            "'01900000-0000-7000-8000-000000000000'::uuid",
            "x'01900000000070008000000000000000'",
        );
        let house = format!(
            "INSERT INTO partners (id, version, name, parent_id, root_id, active, created_at) \
             VALUES ({house}, 1, 'house', NULL, {house}, {}, '2026-01-01T00:00:00+00:00')",
            crate::either(manager, "true", "1"),
        );
        manager.get_connection().execute_unprepared(&house).await?;
        Ok(())
    }
}

const RECORDS: &str = "
CREATE TABLE partners (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  name text NOT NULL,
  parent_id {id} CONSTRAINT partners_parent REFERENCES partners (id),
  root_id {id} NOT NULL CONSTRAINT partners_root REFERENCES partners (id),
  active {bool} NOT NULL,
  created_at {time} NOT NULL,
  CONSTRAINT partners_tree CHECK ((parent_id IS NULL) = (root_id = id))
) {table};
CREATE INDEX partners_by_parent ON partners (parent_id);

CREATE TABLE channels (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  name text NOT NULL CONSTRAINT channels_name UNIQUE,
  kind text NOT NULL,
  partner_id {id} NOT NULL CONSTRAINT channels_partner REFERENCES partners (id),
  active {bool} NOT NULL,
  created_at {time} NOT NULL
) {table};
CREATE INDEX channels_by_partner ON channels (partner_id, id);

CREATE TABLE accounts (
  id {id} NOT NULL PRIMARY KEY,
  partner_id {id} NOT NULL CONSTRAINT accounts_partner REFERENCES partners (id),
  external_reference text NOT NULL,
  email text,
  display_name text,
  created_at {time} NOT NULL,
  CONSTRAINT accounts_reference UNIQUE (partner_id, external_reference)
) {table};
CREATE INDEX accounts_by_external_reference ON accounts (external_reference);
CREATE INDEX accounts_by_email ON accounts (lower(email)) WHERE email IS NOT NULL;

CREATE TABLE products (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  sku text NOT NULL CONSTRAINT products_sku UNIQUE,
  name text NOT NULL,
  policy_id {id} NOT NULL,
  created_at {time} NOT NULL
) {table};

CREATE TABLE policies (
  id {id} NOT NULL PRIMARY KEY,
  product_id {id} NOT NULL CONSTRAINT policies_product REFERENCES products (id),
  version {int} NOT NULL,
  mode text NOT NULL,
  issues_codes {bool} NOT NULL,
  valid_for_days {int} CONSTRAINT policies_validity CHECK (valid_for_days > 0),
  reservation_minutes {int} NOT NULL CONSTRAINT policies_reservation CHECK (reservation_minutes > 0),
  reservation_max_minutes {int} NOT NULL,
  input_deadline_hours {int} NOT NULL CONSTRAINT policies_input CHECK (input_deadline_hours > 0),
  provisioning_deadline_minutes {int} NOT NULL CONSTRAINT policies_provisioning CHECK (provisioning_deadline_minutes > 0),
  transferable {bool} NOT NULL,
  reassignable {bool} NOT NULL,
  max_per_account {int} CONSTRAINT policies_per_account CHECK (max_per_account > 0),
  required_input {json} NOT NULL,
  provisioning text NOT NULL,
  CONSTRAINT policies_version UNIQUE (product_id, version),
  CONSTRAINT policies_longest CHECK (reservation_max_minutes >= reservation_minutes)
) {table};

CREATE TABLE fulfillment_rules (
  channel_id {id} NOT NULL CONSTRAINT rules_channel REFERENCES channels (id),
  product_id {id} NOT NULL CONSTRAINT rules_product REFERENCES products (id),
  mode text NOT NULL CONSTRAINT rules_mode CHECK (mode IN ('COUPLED', 'DECOUPLED')),
  PRIMARY KEY (channel_id, product_id)
) {table};

CREATE TABLE orders (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  channel_id {id} NOT NULL CONSTRAINT orders_channel REFERENCES channels (id),
  external_reference text NOT NULL,
  partner_id {id} NOT NULL CONSTRAINT orders_partner REFERENCES partners (id),
  status text NOT NULL CONSTRAINT orders_status CHECK (status IN ('CONFIRMED', 'PARTIALLY_CANCELLED', 'CANCELLED')),
  buyer_name text,
  buyer_email text,
  buyer_account_id {id} CONSTRAINT orders_buyer REFERENCES accounts (id),
  currency text,
  total text,
  payment_reference text,
  placed_at {time} NOT NULL,
  source text NOT NULL CONSTRAINT orders_source CHECK (source IN ('NATIVE', 'LEGACY')),
  request_digest {bytes},
  created_at {time} NOT NULL,
  CONSTRAINT orders_reference UNIQUE (channel_id, external_reference),
  CONSTRAINT orders_seller UNIQUE (id, channel_id, partner_id)
) {table};
CREATE INDEX orders_by_channel ON orders (channel_id, id);
CREATE INDEX orders_by_partner ON orders (partner_id, id);
CREATE INDEX orders_by_buyer ON orders (buyer_account_id, id) WHERE buyer_account_id IS NOT NULL;
CREATE INDEX orders_by_email ON orders (lower(buyer_email), id) WHERE buyer_email IS NOT NULL;
CREATE INDEX orders_by_external_reference ON orders (external_reference);

CREATE TABLE order_lines (
  id {id} NOT NULL PRIMARY KEY,
  order_id {id} NOT NULL,
  channel_id {id} NOT NULL,
  partner_id {id} NOT NULL,
  product_id {id} NOT NULL,
  policy_id {id} NOT NULL CONSTRAINT lines_policy REFERENCES policies (id),
  mode text NOT NULL CONSTRAINT lines_mode CHECK (mode IN ('COUPLED', 'DECOUPLED')),
  quantity {int} NOT NULL CONSTRAINT lines_quantity CHECK (quantity > 0),
  unit_price text,
  account_id {id} CONSTRAINT lines_account REFERENCES accounts (id),
  resource text,
  input {json},
  CONSTRAINT lines_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT lines_order FOREIGN KEY (order_id, channel_id, partner_id) REFERENCES orders (id, channel_id, partner_id),
  CONSTRAINT lines_unit UNIQUE (id, order_id, channel_id, partner_id, product_id)
) {table};
CREATE INDEX lines_by_order ON order_lines (order_id, id);
CREATE INDEX lines_by_product ON order_lines (product_id, order_id);

CREATE TABLE entitlements (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  status text NOT NULL CONSTRAINT entitlements_status CHECK (status IN ('UNASSIGNED', 'RESERVED', 'ASSIGNED', 'ACTIVE', 'SUSPENDED', 'REVOKED', 'EXPIRED')),
  status_reason text,
  order_line_id {id} NOT NULL,
  order_id {id} NOT NULL,
  channel_id {id} NOT NULL,
  partner_id {id} NOT NULL,
  product_id {id} NOT NULL,
  buyer_account_id {id},
  holder_account_id {id} CONSTRAINT entitlements_holder REFERENCES accounts (id),
  holder_partner_id {id},
  recipient_name text,
  recipient_email text,
  replaces_id {id} CONSTRAINT entitlements_replaces REFERENCES entitlements (id),
  issued_at {time} NOT NULL,
  expires_at {time},
  CONSTRAINT entitlements_line FOREIGN KEY (order_line_id, order_id, channel_id, partner_id, product_id)
    REFERENCES order_lines (id, order_id, channel_id, partner_id, product_id),
  CONSTRAINT entitlements_held CHECK (CASE
    WHEN status IN ('ASSIGNED', 'ACTIVE') THEN holder_account_id IS NOT NULL
    WHEN status IN ('UNASSIGNED', 'RESERVED') THEN holder_account_id IS NULL
    ELSE 1 = 1 END)
) {table};
CREATE INDEX entitlements_by_line ON entitlements (order_line_id, id);
CREATE INDEX entitlements_by_order ON entitlements (order_id, status, id);
CREATE INDEX entitlements_by_channel ON entitlements (channel_id, status, id);
CREATE INDEX entitlements_by_partner ON entitlements (partner_id, id);
CREATE INDEX entitlements_by_product ON entitlements (product_id, status, id);
CREATE INDEX entitlements_by_buyer ON entitlements (buyer_account_id, id) WHERE buyer_account_id IS NOT NULL;
CREATE INDEX entitlements_by_holder ON entitlements (holder_account_id, id) WHERE holder_account_id IS NOT NULL;
CREATE INDEX entitlements_by_namespace ON entitlements (holder_partner_id, id) WHERE holder_partner_id IS NOT NULL;
CREATE INDEX entitlements_by_recipient ON entitlements (lower(recipient_email), id) WHERE recipient_email IS NOT NULL;
CREATE INDEX entitlements_by_expiry ON entitlements (expires_at) WHERE expires_at IS NOT NULL AND status NOT IN ('REVOKED', 'EXPIRED');
CREATE UNIQUE INDEX entitlements_replaced_once ON entitlements (replaces_id) WHERE replaces_id IS NOT NULL;

CREATE TABLE code_keys (
  id text NOT NULL PRIMARY KEY,
  created_at {time} NOT NULL
) {table};

CREATE TABLE activation_codes (
  id {id} NOT NULL PRIMARY KEY,
  entitlement_id {id} NOT NULL CONSTRAINT codes_entitlement REFERENCES entitlements (id),
  status text NOT NULL CONSTRAINT codes_status CHECK (status IN ('ISSUED', 'REDEEMED', 'REPLACED', 'REVOKED', 'EXPIRED')),
  hash {bytes} NOT NULL CONSTRAINT codes_hash UNIQUE,
  key_id text NOT NULL,
  last_four text NOT NULL,
  sealed {bytes},
  revealable_until {time},
  issued_at {time} NOT NULL,
  redeemed_at {time},
  CONSTRAINT codes_shredded CHECK (status = 'ISSUED' OR sealed IS NULL),
  CONSTRAINT codes_redeemed CHECK ((status = 'REDEEMED') = (redeemed_at IS NOT NULL))
) {table};
CREATE INDEX codes_by_entitlement ON activation_codes (entitlement_id, id);
CREATE INDEX codes_by_last_four ON activation_codes (last_four, id);
CREATE INDEX codes_by_window ON activation_codes (revealable_until) WHERE revealable_until IS NOT NULL;
CREATE UNIQUE INDEX codes_one_live ON activation_codes (entitlement_id) WHERE status = 'ISSUED';

CREATE TABLE reservations (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  status text NOT NULL CONSTRAINT reservations_status CHECK (status IN ('HELD', 'CONFIRMED', 'RELEASED', 'EXPIRED')),
  entitlement_id {id} NOT NULL CONSTRAINT reservations_entitlement REFERENCES entitlements (id),
  account_id {id} CONSTRAINT reservations_account REFERENCES accounts (id),
  account_partner_id {id},
  resource text,
  expires_at {time} NOT NULL,
  created_at {time} NOT NULL
) {table};
CREATE INDEX reservations_by_entitlement ON reservations (entitlement_id, id);
CREATE INDEX reservations_by_expiry ON reservations (expires_at) WHERE status = 'HELD';
CREATE INDEX reservations_by_account ON reservations (account_id) WHERE status = 'HELD';
CREATE UNIQUE INDEX reservations_one_held ON reservations (entitlement_id) WHERE status = 'HELD';

CREATE TABLE assignments (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  status text NOT NULL CONSTRAINT assignments_status CHECK (status IN ('PENDING', 'AWAITING_INPUT', 'PROVISIONING', 'ACTIVE', 'FAILED', 'DEPROVISIONING', 'DEPROVISION_FAILED', 'ENDED', 'CANCELLED')),
  status_reason text,
  method text NOT NULL CONSTRAINT assignments_method CHECK (method IN ('CODE', 'DIRECT', 'RESERVATION', 'COUPLED', 'IMPORT')),
  entitlement_id {id} NOT NULL CONSTRAINT assignments_entitlement REFERENCES entitlements (id),
  account_id {id} NOT NULL CONSTRAINT assignments_account REFERENCES accounts (id),
  account_partner_id {id} NOT NULL,
  channel_id {id} NOT NULL,
  partner_id {id} NOT NULL,
  product_id {id} NOT NULL,
  activation_code_id {id} CONSTRAINT assignments_code REFERENCES activation_codes (id),
  external {bool} NOT NULL,
  resource text,
  input {json},
  missing_input {json} NOT NULL,
  external_reference text,
  deadline {time},
  not_before {time},
  failures {int} NOT NULL,
  end_requested {bool} NOT NULL,
  assigned_at {time} NOT NULL,
  activated_at {time},
  ended_at {time}
) {table};
CREATE INDEX assignments_by_entitlement ON assignments (entitlement_id, id);
CREATE INDEX assignments_by_account ON assignments (account_id, id);
CREATE INDEX assignments_by_channel ON assignments (channel_id, id);
CREATE INDEX assignments_by_partner ON assignments (partner_id, id);
CREATE INDEX assignments_by_namespace ON assignments (account_partner_id, id);
CREATE INDEX assignments_waiting ON assignments (status, deadline) WHERE status IN ('PENDING', 'AWAITING_INPUT', 'PROVISIONING', 'DEPROVISIONING', 'DEPROVISION_FAILED', 'FAILED');
CREATE INDEX assignments_to_provision ON assignments (id) WHERE external AND status IN ('PENDING', 'PROVISIONING', 'DEPROVISIONING');
CREATE UNIQUE INDEX assignments_one_in_force ON assignments (entitlement_id) WHERE status NOT IN ('ENDED', 'CANCELLED');

CREATE TABLE provisioning_attempts (
  id {id} NOT NULL PRIMARY KEY,
  assignment_id {id} NOT NULL CONSTRAINT provisioning_assignment REFERENCES assignments (id),
  operation text NOT NULL CONSTRAINT provisioning_operation CHECK (operation IN ('PROVISION', 'DEPROVISION')),
  outcome text NOT NULL CONSTRAINT provisioning_outcome CHECK (outcome IN ('STARTED', 'SUCCEEDED', 'FAILED', 'UNKNOWN')),
  idempotency_reference text NOT NULL,
  started_at {time} NOT NULL,
  finished_at {time},
  lease_expires_at {time},
  reason text
) {table};
CREATE INDEX provisioning_by_assignment ON provisioning_attempts (assignment_id, id);
CREATE UNIQUE INDEX provisioning_one_started ON provisioning_attempts (assignment_id) WHERE outcome = 'STARTED';

CREATE TABLE fulfillment_exceptions (
  id {id} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  kind text NOT NULL CONSTRAINT exceptions_kind CHECK (kind IN ('REDEMPTION_REJECTED', 'PROVISIONING_FAILED', 'DEPROVISIONING_FAILED', 'OVERDUE', 'IMPORT_MISMATCH')),
  status text NOT NULL CONSTRAINT exceptions_status CHECK (status IN ('OPEN', 'RESOLVED')),
  reason text NOT NULL,
  channel_id {id} NOT NULL,
  partner_id {id} NOT NULL,
  product_id {id},
  order_id {id} NOT NULL CONSTRAINT exceptions_order REFERENCES orders (id),
  entitlement_id {id} CONSTRAINT exceptions_entitlement REFERENCES entitlements (id),
  assignment_id {id} CONSTRAINT exceptions_assignment REFERENCES assignments (id),
  resolution text,
  note text,
  opened_at {time} NOT NULL,
  resolved_at {time},
  resolved_by text,
  CONSTRAINT exceptions_resolved CHECK ((status = 'RESOLVED') = (resolution IS NOT NULL))
) {table};
CREATE INDEX exceptions_by_entitlement ON fulfillment_exceptions (entitlement_id, id) WHERE entitlement_id IS NOT NULL;
CREATE INDEX exceptions_by_order ON fulfillment_exceptions (order_id, id);
CREATE INDEX exceptions_open ON fulfillment_exceptions (channel_id, product_id, id) WHERE status = 'OPEN';
CREATE UNIQUE INDEX exceptions_one_open ON fulfillment_exceptions (kind, entitlement_id) WHERE status = 'OPEN' AND entitlement_id IS NOT NULL;
CREATE UNIQUE INDEX exceptions_one_open_order ON fulfillment_exceptions (kind, order_id) WHERE status = 'OPEN' AND entitlement_id IS NULL;

CREATE TABLE redemption_attempts (
  id {id} NOT NULL PRIMARY KEY,
  outcome text NOT NULL CONSTRAINT attempts_outcome CHECK (outcome IN ('SUCCEEDED', 'REJECTED')),
  reason text,
  code_last_four text,
  activation_code_id {id} CONSTRAINT attempts_code REFERENCES activation_codes (id),
  entitlement_id {id},
  channel_id {id},
  partner_id {id},
  account_id {id},
  account_partner_id {id} NOT NULL,
  actor text NOT NULL,
  exception_id {id} CONSTRAINT attempts_exception REFERENCES fulfillment_exceptions (id),
  occurred_at {time} NOT NULL,
  CONSTRAINT attempts_reason CHECK ((outcome = 'REJECTED') = (reason IS NOT NULL))
) {table};
CREATE INDEX attempts_by_entitlement ON redemption_attempts (entitlement_id, id) WHERE entitlement_id IS NOT NULL;
CREATE INDEX attempts_by_partner ON redemption_attempts (partner_id, id) WHERE partner_id IS NOT NULL;
CREATE INDEX attempts_by_namespace ON redemption_attempts (account_partner_id, id);
CREATE INDEX attempts_by_exception ON redemption_attempts (exception_id, id) WHERE exception_id IS NOT NULL;
CREATE UNIQUE INDEX attempts_one_success ON redemption_attempts (activation_code_id) WHERE outcome = 'SUCCEEDED';

CREATE TABLE code_guesses (
  id {id} NOT NULL PRIMARY KEY,
  actor text NOT NULL,
  guesser {bytes} NOT NULL,
  occurred_at {time} NOT NULL
) {table};
CREATE INDEX code_guesses_by_actor ON code_guesses (actor, occurred_at);
CREATE INDEX code_guesses_by_age ON code_guesses (occurred_at);

CREATE TABLE api_keys (
  id {id} NOT NULL PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL CONSTRAINT api_keys_role CHECK (role IN ('ADMIN', 'SUPPORT', 'PARTNER', 'PROVISIONER', 'CUSTOMER')),
  partner_id {id} CONSTRAINT api_keys_partner REFERENCES partners (id),
  account_id {id} CONSTRAINT api_keys_account REFERENCES accounts (id),
  hash {bytes} NOT NULL CONSTRAINT api_keys_hash UNIQUE,
  expires_at {time},
  revoked_at {time},
  last_used_at {time},
  created_at {time} NOT NULL,
  CONSTRAINT api_keys_of_partner CHECK (role <> 'PARTNER' OR partner_id IS NOT NULL),
  CONSTRAINT api_keys_of_account CHECK (role <> 'CUSTOMER' OR account_id IS NOT NULL)
) {table};

CREATE TABLE idempotency_keys (
  scope text NOT NULL,
  mutation text NOT NULL,
  key text NOT NULL,
  request_digest {bytes} NOT NULL,
  result {json} NOT NULL,
  created_at {time} NOT NULL,
  PRIMARY KEY (scope, mutation, key)
) {table};
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
";
