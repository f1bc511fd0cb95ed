use std::collections::BTreeMap;

use modal_deploy::proto::function::FunctionType;
use modal_deploy::proto::function_data::RankedFunction;
use modal_deploy::proto::{
    DataFormat, Function, FunctionCreateRequest, FunctionCreateResponse, FunctionData,
    FunctionHandleMetadata, FunctionPrecreateRequest, FunctionPrecreateResponse,
};
use prost::Message;
use tonic::Status;

use super::state::{content_id, new_id};

/// Inputs and results up to this size travel inside the calls, so that no blob store is needed.
const LARGEST_OBJECT: u64 = 64 * 1024 * 1024;

struct Record {
    app_id: String,
    tag: String,
    /// What `FunctionPrecreate` said of it; answers before the definition is known use this.
    announced: FunctionHandleMetadata,
    /// The definition that was sent last, deployed or not.
    latest: Option<String>,
    pinned: Option<Pinned>,
}

/// The function as one version of its app has it.
pub(super) struct Pinned {
    pub(super) version: u32,
    pub(super) definition: String,
}

/// Functions by identifier, and their definitions by the hash of their content.
#[derive(Default)]
pub(super) struct Functions {
    functions: BTreeMap<String, Record>,
    definitions: BTreeMap<String, Function>,
}

impl Functions {
    pub(super) fn precreate(
        &mut self,
        request: FunctionPrecreateRequest,
    ) -> FunctionPrecreateResponse {
        let id = self.identify(
            &request.existing_function_id,
            &request.app_id,
            &request.function_name,
        );
        let announced = FunctionHandleMetadata {
            function_name: request.function_name,
            function_type: request.function_type,
            function_schema: request.function_schema,
            supported_input_formats: request.supported_input_formats,
            supported_output_formats: request.supported_output_formats,
            app_id: request.app_id,
            max_object_size_bytes: Some(LARGEST_OBJECT),
            max_async_object_size_bytes: Some(LARGEST_OBJECT),
            ..FunctionHandleMetadata::default()
        };
        if let Some(record) = self.functions.get_mut(&id) {
            record.announced = announced.clone();
        }
        FunctionPrecreateResponse {
            function_id: id,
            handle_metadata: Some(announced),
        }
    }

    pub(super) fn create(
        &mut self,
        request: FunctionCreateRequest,
    ) -> Result<FunctionCreateResponse, Status> {
        let ranked = request
            .function_data
            .and_then(|data| data.ranked_functions.into_iter().next())
            .and_then(|ranked| ranked.function);
        let mut function = request
            .function
            .or(ranked)
            .ok_or_else(|| Status::invalid_argument("the request carries no function"))?;
        // The client sends maps and sets in any order; the same definition must look the same.
        function.method_definitions.sort();
        function.mount_ids.sort();
        function.mount_ids.dedup();
        let id = self.identify(
            &request.existing_function_id,
            &request.app_id,
            &function.function_name,
        );
        let definition_id = content_id("de", &function.encode_to_vec());
        self.definitions
            .insert(definition_id.clone(), function.clone());
        if let Some(record) = self.functions.get_mut(&id) {
            record.latest = Some(definition_id.clone());
        }
        Ok(FunctionCreateResponse {
            handle_metadata: Some(self.handle(&id, &definition_id)?),
            function_data: Some(data(&function)),
            function: Some(function),
            function_id: id,
            server_warnings: Vec::new(),
        })
    }

    /// The function as one version of its app has it, under an identifier of its own.
    pub(super) fn pin(&mut self, function_id: &str, pinned: Pinned) -> Result<String, Status> {
        let record = self.record(function_id)?;
        let content = format!("{function_id}@{}@{}", pinned.version, pinned.definition);
        let id = content_id("fu", content.as_bytes());
        let record = Record {
            app_id: record.app_id.clone(),
            tag: record.tag.clone(),
            announced: record.announced.clone(),
            latest: None,
            pinned: Some(pinned),
        };
        self.functions.insert(id.clone(), record);
        Ok(id)
    }

    pub(super) fn handle(
        &self,
        function_id: &str,
        definition_id: &str,
    ) -> Result<FunctionHandleMetadata, Status> {
        let record = self.record(function_id)?;
        let function = self.definition(definition_id)?;
        let formats = |own: &[i32], announced: &[i32]| {
            let sent = if own.is_empty() { announced } else { own };
            if sent.is_empty() {
                vec![DataFormat::Pickle.into(), DataFormat::Cbor.into()]
            } else {
                sent.to_vec()
            }
        };
        Ok(FunctionHandleMetadata {
            function_name: function.function_name.clone(),
            function_type: function.function_type,
            is_method: function.is_method,
            definition_id: definition_id.to_owned(),
            supported_input_formats: formats(
                &function.supported_input_formats,
                &record.announced.supported_input_formats,
            ),
            supported_output_formats: formats(
                &function.supported_output_formats,
                &record.announced.supported_output_formats,
            ),
            app_id: record.app_id.clone(),
            ..record.announced.clone()
        })
    }

    pub(super) fn data(&self, definition_id: &str) -> Result<FunctionData, Status> {
        self.definition(definition_id).map(data)
    }

    pub(super) fn definition(&self, definition_id: &str) -> Result<&Function, Status> {
        self.definitions
            .get(definition_id)
            .ok_or_else(|| Status::not_found(format!("definition '{definition_id}' not found")))
    }

    /// App and tag of a function.
    pub(super) fn owner(&self, function_id: &str) -> Result<(&str, &str), Status> {
        let record = self.record(function_id)?;
        Ok((&record.app_id, &record.tag))
    }

    /// What a pinned function is fixed to.
    pub(super) fn pinned(&self, function_id: &str) -> Option<&Pinned> {
        self.functions.get(function_id)?.pinned.as_ref()
    }

    /// The definition that was sent last for a function.
    pub(super) fn latest(&self, function_id: &str) -> Option<&str> {
        self.functions.get(function_id)?.latest.as_deref()
    }

    fn identify(&mut self, existing: &str, app_id: &str, tag: &str) -> String {
        if self.functions.contains_key(existing) {
            return existing.to_owned();
        }
        let known = self.functions.iter().find(|(_, record)| {
            record.app_id == app_id && record.tag == tag && record.pinned.is_none()
        });
        if let Some((id, _)) = known {
            return id.clone();
        }
        let id = new_id("fu");
        let record = Record {
            app_id: app_id.to_owned(),
            tag: tag.to_owned(),
            announced: FunctionHandleMetadata::default(),
            latest: None,
            pinned: None,
        };
        self.functions.insert(id.clone(), record);
        id
    }

    fn record(&self, function_id: &str) -> Result<&Record, Status> {
        self.functions
            .get(function_id)
            .ok_or_else(|| Status::not_found(format!("function '{function_id}' not found")))
    }
}

fn data(function: &Function) -> FunctionData {
    FunctionData {
        module_name: function.module_name.clone(),
        function_name: function.function_name.clone(),
        implementation_name: function.implementation_name.clone(),
        function_type: function.function_type,
        warm_pool_size: function.warm_pool_size,
        concurrency_limit: function.concurrency_limit,
        task_idle_timeout_secs: function.task_idle_timeout_secs,
        timeout_secs: function.timeout_secs,
        startup_timeout_secs: function.startup_timeout_secs,
        webhook_config: function.webhook_config.clone(),
        is_class: function.is_class,
        is_method: function.is_method,
        schedule: function.schedule.clone(),
        method_definitions: function.method_definitions.clone(),
        method_definitions_set: function.method_definitions_set,
        autoscaler_settings: function.autoscaler_settings.clone(),
        function_schema: function.function_schema.clone(),
        experimental_options: function.experimental_options.clone(),
        supported_input_formats: function.supported_input_formats.clone(),
        supported_output_formats: function.supported_output_formats.clone(),
        is_server: function.is_server,
        routing_region: function.routing_region.clone(),
        ranked_functions: vec![RankedFunction {
            rank: 0,
            function: Some(function.clone()),
        }],
        web_url: String::new(),
    }
}

/// Why a call of this function cannot be answered here, if it cannot.
pub(super) fn refusal(function: &Function) -> Option<&'static str> {
    let kind = if function.webhook_config.is_some() || function.is_server {
        "web endpoints"
    } else if function.is_class || function.is_method {
        "classes"
    } else if function.function_type() == FunctionType::Generator {
        "generators"
    } else if function.batch_max_size > 0 {
        "batched functions"
    } else {
        return None;
    };
    Some(kind)
}
