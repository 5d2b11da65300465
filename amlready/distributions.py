"""Tables of Python distributions: what provides an import, and what a distribution has other ones installed for.

One line a name, `name: one two`. They lean to the generous side (see `imports`): a line holds what any version has
needed. `typing-extensions`, `packaging`, `six` and their like come with nearly everything and stand for themselves.
"""

PROVIDERS = """
accelerate
adlfs
aiohttp
applicationinsights
azure.ai.formrecognizer: azure-ai-formrecognizer
azure.ai.ml: azure-ai-ml
azure.ai.textanalytics: azure-ai-textanalytics
azure.core: azure-core
azure.cosmos: azure-cosmos
azure.data.tables: azure-data-tables
azure.eventhub: azure-eventhub
azure.identity: azure-identity
azure.keyvault.secrets: azure-keyvault-secrets azure-keyvault
azure.monitor.opentelemetry: azure-monitor-opentelemetry azure-monitor-opentelemetry-exporter
azure.search.documents: azure-search-documents
azure.servicebus: azure-servicebus
azure.storage.blob: azure-storage-blob azure-storage
azure.storage.filedatalake: azure-storage-file-datalake
azureml.ai.monitoring: azureml-ai-monitoring
azureml.core: azureml-core
azureml_inference_server_http: azureml-inference-server-http
bs4: beautifulsoup4 bs4
cachetools
catboost
category_encoders: category-encoders
cloudpickle
cv2: opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless opencv py-opencv
    libopencv
datasets
dateutil: python-dateutil
dill
dotenv: python-dotenv
duckdb
faiss: faiss-cpu faiss-gpu faiss
fastapi
fastparquet
feature_engine: feature-engine
flask
flask_cors: flask-cors
fsspec
gensim
google.cloud.bigquery: google-cloud-bigquery
google.cloud.storage: google-cloud-storage
google.protobuf: protobuf
grpc: grpcio
gunicorn
h5py
httpx
huggingface_hub: huggingface-hub
imageio
imblearn: imbalanced-learn
inference_schema: inference-schema
jinja2
joblib
jsonschema
keras: keras tensorflow tensorflow-cpu tensorflow-gpu tf-nightly
langchain
langchain_community: langchain-community
langchain_core: langchain-core
langchain_openai: langchain-openai
lightgbm
lime
lxml
matplotlib: matplotlib matplotlib-base
mlflow: mlflow mlflow-skinny
msal
msrest
networkx
nltk
numba
numpy: numpy numpy-base
onnx
onnxruntime: onnxruntime onnxruntime-gpu onnxruntime-openvino onnxruntime-directml onnxruntime-training
openai
opencensus
openpyxl
orjson
pandas
PIL: pillow pillow-simd
plotly
pmdarima
polars: polars polars-lts-cpu
prophet
psutil
psycopg2: psycopg2 psycopg2-binary
pyarrow: pyarrow pyarrow-core
pydantic
pydantic_settings: pydantic-settings
pymongo
pyodbc
pyspark
pytz
redis: redis redis-py
regex
requests
safetensors
scipy
seaborn: seaborn seaborn-base
sentence_transformers: sentence-transformers
sentencepiece
shap
simplejson
skimage: scikit-image
skl2onnx
sklearn: scikit-learn
skops
spacy
sqlalchemy
statsmodels
sympy
tensorflow: tensorflow tensorflow-cpu tensorflow-gpu tensorflow-intel tensorflow-base tf-nightly tensorflow-mkl
tiktoken
timm
tokenizers
torch: torch pytorch pytorch-cpu pytorch-gpu
torchaudio
torchvision: torchvision torchvision-cpu
tqdm
transformers
tritonclient
ujson
ultralytics
uvicorn
werkzeug
wrapt
xgboost: xgboost xgboost-cpu py-xgboost py-xgboost-cpu py-xgboost-gpu py-xgboost-mutex
yaml: pyyaml
"""
"""The distributions that an import may come from, the usual one first; a name alone comes from its namesake."""

BRINGS = """
absl-py:
accelerate: huggingface-hub numpy psutil pyyaml safetensors torch
adlfs: aiohttp azure-core azure-datalake-store azure-identity azure-storage-blob fsspec
aiohttp:
alembic: sqlalchemy
annotated-types:
applicationinsights:
astunparse:
attrs:
azure-ai-formrecognizer: azure-common azure-core msrest
azure-ai-ml: azure-core azure-identity azure-monitor-opentelemetry azure-storage-blob azure-storage-file-datalake
    azure-storage-file-share jsonschema msrest opencensus opencensus-ext-azure psutil pydash pyjwt python-dateutil
    pyyaml strictyaml tqdm
azure-ai-textanalytics: azure-common azure-core
azure-common:
azure-core: requests
azure-cosmos: azure-core requests
azure-data-tables: azure-core msrest
azure-datalake-store: msal requests
azure-eventhub: azure-core
azure-identity: azure-core cryptography msal msal-extensions
azure-keyvault: azure-keyvault-certificates azure-keyvault-keys azure-keyvault-secrets
azure-keyvault-certificates: azure-common azure-core msrest
azure-keyvault-keys: azure-common azure-core cryptography msrest
azure-keyvault-secrets: azure-common azure-core msrest
azure-monitor-opentelemetry: azure-core azure-monitor-opentelemetry-exporter opentelemetry-sdk
azure-monitor-opentelemetry-exporter: azure-core azure-identity msrest opentelemetry-api opentelemetry-sdk psutil
azure-search-documents: azure-common azure-core
azure-servicebus: azure-core msrest
azure-storage-blob: azure-core cryptography msrest
azure-storage-file-datalake: azure-core azure-storage-blob msrest
azure-storage-file-share: azure-core cryptography msrest
azureml-ai-monitoring: pandas requests
azureml-core: azure-common azure-core azure-identity cryptography docker jsonschema msal msal-extensions msrest numpy
    psutil pyjwt python-dateutil pytz pyyaml requests wrapt
azureml-dataprep: azure-identity azure-storage-blob cloudpickle jsonschema numpy pandas pyarrow pyyaml requests
azureml-dataset-runtime: azureml-core azureml-dataprep fastparquet fsspec numpy pandas pyarrow
azureml-defaults: applicationinsights azureml-core azureml-dataset-runtime azureml-inference-server-http flask
    gunicorn inference-schema opencensus werkzeug
azureml-inference-server-http: applicationinsights azure-core azure-monitor-opentelemetry-exporter certifi click flask
    flask-cors gunicorn inference-schema jinja2 opencensus opencensus-ext-azure opentelemetry-api opentelemetry-sdk
    psutil pydantic pydantic-settings waitress werkzeug
azureml-mlflow: azure-ai-ml azure-common azure-core azure-identity azure-storage-blob azureml-core cloudpickle
    cryptography jsonpickle mlflow-skinny msrest python-dateutil pytz requests
beautifulsoup4: lxml
blinker:
bs4: beautifulsoup4
ca-certificates:
cachetools:
catboost: matplotlib numpy pandas plotly scipy
category-encoders: numpy pandas scikit-learn scipy statsmodels
certifi:
cffi:
charset-normalizer:
click: colorama
cloudpickle:
cmdstanpy: numpy pandas tqdm
colorama:
coloredlogs:
contourpy: numpy
cpuonly:
cryptography: cffi
cudatoolkit:
cudnn:
cython:
dataclasses:
dataclasses-json: marshmallow
datasets: aiohttp dill fsspec huggingface-hub httpx numpy pandas pyarrow pyyaml requests tqdm
debugpy:
dill:
docker: pyyaml requests websocket-client
duckdb: numpy
et-xmlfile:
faiss: numpy
faiss-cpu: numpy
faiss-gpu: numpy
fastapi: pydantic starlette uvicorn
fastparquet: fsspec numba numpy pandas
feature-engine: numpy pandas scikit-learn scipy statsmodels
filelock:
flask: click jinja2 werkzeug
flask-cors: flask werkzeug
flatbuffers: numpy
fonttools:
fsspec:
gcc:
gensim: numpy scipy wrapt
gitpython:
google-api-core: google-auth googleapis-common-protos protobuf requests
google-auth: cachetools cryptography requests
google-cloud-bigquery: google-api-core google-cloud-core google-auth protobuf python-dateutil requests grpcio pyarrow
google-cloud-core: google-api-core google-auth
google-cloud-storage: google-api-core google-auth google-cloud-core protobuf requests
googleapis-common-protos: protobuf
graphene: python-dateutil
grpcio: protobuf
gunicorn: setuptools
h5py: numpy
httpx:
huggingface-hub: filelock fsspec httpx pyyaml requests tqdm
idna:
imageio: numpy pillow
imbalanced-learn: joblib numpy scikit-learn scipy threadpoolctl
importlib-metadata:
inference-schema: python-dateutil pytz wrapt
intel-openmp:
ipython:
isodate:
itsdangerous:
jinja2: markupsafe
joblib: cloudpickle
json-logging-py:
jsonpickle:
jsonschema:
keras: h5py numpy pyyaml scipy tensorflow
langchain: aiohttp dataclasses-json langchain-community langchain-core langchain-openai numpy openai pydantic pyyaml
    requests sqlalchemy tqdm
langchain-community: aiohttp dataclasses-json httpx langchain langchain-core numpy pydantic-settings pyyaml requests
    sqlalchemy
langchain-core: httpx orjson pydantic pyyaml requests
langchain-openai: langchain-core numpy openai regex tiktoken tqdm
lazy-loader:
libgcc:
libgcc-ng:
libgomp:
libopencv: numpy
libstdcxx-ng:
lightgbm: joblib numpy scikit-learn scipy
lime: matplotlib numpy scikit-image scikit-learn scipy tqdm
llvmlite:
lxml:
markupsafe:
marshmallow:
matplotlib: matplotlib-base
matplotlib-base: contourpy numpy pillow python-dateutil
mkl:
mkl-service: numpy
ml-dtypes: numpy
mlflow: alembic azure-storage-blob cachetools cloudpickle cryptography docker fastapi flask flask-cors graphene
    gunicorn jinja2 joblib matplotlib mlflow-skinny numpy pandas protobuf psutil pyarrow python-dateutil pytz pyyaml
    requests scikit-learn scipy skops sqlalchemy tqdm uvicorn waitress werkzeug
mlflow-skinny: cachetools click cloudpickle fastapi gitpython google-auth importlib-metadata opentelemetry-api
    opentelemetry-sdk protobuf pydantic python-dotenv pytz pyyaml requests uvicorn
msal: cryptography pyjwt requests
msal-extensions: msal
msrest: azure-core certifi isodate requests
narwhals:
ncurses:
networkx: matplotlib numpy pandas scipy
nltk: click joblib regex tqdm
nomkl:
numba: llvmlite numpy setuptools
numpy:
numpy-base:
onnx: numpy protobuf
onnxconverter-common: numpy onnx protobuf
onnxruntime: coloredlogs flatbuffers numpy onnx protobuf sympy
onnxruntime-gpu: coloredlogs flatbuffers numpy onnx protobuf sympy
openai: aiohttp httpx numpy pandas pydantic requests tqdm
opencensus: google-api-core
opencensus-ext-azure: azure-core azure-identity opencensus psutil requests
opencv: numpy py-opencv
opencv-contrib-python: numpy
opencv-contrib-python-headless: numpy
opencv-python: numpy
opencv-python-headless: numpy
openmpi:
openpyxl: et-xmlfile
openssl:
opentelemetry-api: importlib-metadata
opentelemetry-sdk: opentelemetry-api
orjson:
packaging:
pandas: numpy python-dateutil pytz tzdata
patsy: numpy scipy
pillow:
pillow-simd:
pip: setuptools wheel
plotly: numpy pandas requests
pmdarima: joblib numpy pandas scikit-learn scipy statsmodels
polars: numpy pyarrow
polars-lts-cpu: numpy pyarrow
prophet: cmdstanpy matplotlib numpy pandas python-dateutil tqdm
protobuf:
psutil:
psycopg2:
psycopg2-binary:
py-opencv: numpy
py-xgboost: numpy pandas scikit-learn scipy
py-xgboost-cpu: numpy pandas scikit-learn scipy
py-xgboost-gpu: numpy pandas scikit-learn scipy
pyarrow: numpy pandas
pyarrow-core: numpy
pydantic: python-dotenv
pydantic-core:
pydantic-settings: pydantic python-dotenv
pydash:
pyjwt: cryptography
pymongo:
pyodbc:
pyspark: numpy pandas pyarrow
python: pip setuptools wheel
python-abi:
python-dateutil:
python-dotenv: click
python-tzdata:
pytorch: filelock fsspec jinja2 networkx numpy pillow pyyaml requests setuptools sympy
pytorch-cpu: pytorch
pytorch-cuda:
pytorch-gpu: pytorch
pytorch-mutex:
pytz:
pyyaml:
redis:
redis-py:
regex:
requests: certifi charset-normalizer idna urllib3
ruamel-yaml:
safetensors: numpy
scikit-image: imageio lazy-loader matplotlib networkx numpy pillow scipy
scikit-learn: joblib narwhals numpy scipy threadpoolctl
scipy: numpy
seaborn: matplotlib numpy pandas scipy statsmodels
seaborn-base: matplotlib numpy pandas scipy
sentence-transformers: huggingface-hub nltk numpy pillow scikit-learn scipy sentencepiece torch torchvision tqdm
    transformers
sentencepiece: protobuf
setuptools:
shap: cloudpickle numba numpy pandas scikit-learn scipy tqdm
simplejson:
six:
skl2onnx: numpy onnx onnxconverter-common protobuf scikit-learn scipy
skops: huggingface-hub numpy scikit-learn scipy tqdm
spacy: click jinja2 numpy pydantic requests setuptools tqdm
sqlalchemy:
sqlite:
starlette:
statsmodels: numpy pandas patsy scipy
strictyaml: python-dateutil
sympy:
tensorboard: grpcio google-auth numpy pillow protobuf requests setuptools werkzeug
tensorflow: flatbuffers google-auth grpcio h5py keras ml-dtypes numpy protobuf requests scipy setuptools tensorboard
    termcolor werkzeug wrapt
tensorflow-base: tensorflow
tensorflow-cpu: tensorflow
tensorflow-gpu: tensorflow
tensorflow-intel: tensorflow
tensorflow-mkl: tensorflow
termcolor:
threadpoolctl:
tiktoken: regex requests
timm: huggingface-hub numpy pillow pyyaml safetensors torch torchvision
tk:
tokenizers: huggingface-hub
torch: filelock fsspec jinja2 networkx numpy setuptools sympy
torchaudio: numpy torch
torchvision: numpy pillow requests torch
tqdm: colorama
transformers: filelock huggingface-hub numpy protobuf pyyaml regex requests safetensors sentencepiece tokenizers tqdm
typing-extensions:
tzdata:
ujson:
ultralytics: matplotlib numpy opencv-python pandas pillow polars psutil pyyaml requests scipy seaborn torch
    torchvision tqdm
urllib3: certifi cryptography idna
uvicorn: click
waitress:
websocket-client:
werkzeug: markupsafe
wheel:
wrapt:
xgboost: numpy pandas py-xgboost scikit-learn scipy
xgboost-cpu: numpy scipy
xz:
zlib:
"""
"""What a distribution may bring, on PyPI or in a conda channel."""
